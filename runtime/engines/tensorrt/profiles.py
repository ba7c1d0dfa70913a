"""Which optimisation profile takes a batch, and how samples are divided among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from runtime.engines.tensors import Part, Profile, Shapes, Sizes
from runtime.errors import EngineError


def parts_of(
    count: int, sizes: Mapping[str, Sizes], profiles: Sequence[Profile], where: str
) -> list[Part]:
    """Divide samples into what the engine runs.

    Args:
        count: of the samples.
        sizes: of every input for one sample, without N.
        profiles: of the engine.
        where: the plan, for messages.

    Returns:
        parts in order, none larger than a profile takes. N is filled up to a power of two, or a
        profile's least: few different shapes come again often enough for their CUDA graphs.

    Raises:
        EngineError: if no profile takes samples of these sizes.
    """
    batches = [_batches(profile, sizes) for profile in profiles]
    possible = [size for size in batches if size is not None]
    if not possible:
        wanted = ", ".join(f"{name} {list(size)}" for name, size in sizes.items())
        raise EngineError(
            f"{where}: no optimisation profile takes samples of {wanted}: expected "
            f"{_told(profiles)}; build it again with a profile for these"
        )
    most = max(high for _, high in possible)
    parts = []
    for start in range(0, count, most):
        samples = min(most, count - start)
        batch = min(_padded(samples, low, high) for low, high in possible if high >= samples)
        parts.append(Part(start, samples, batch))
    return parts


def profile_of(shapes: Shapes, profiles: Sequence[Profile], where: str) -> int:
    """Return the number of the smallest profile that holds shapes.

    Raises:
        EngineError: if none does.
    """
    holding = [
        number
        for number, profile in enumerate(profiles)
        if profile.keys() == shapes.keys()
        and all(profile[name].holds(sizes) for name, sizes in shapes.items())
        and len({sizes[0] for sizes in shapes.values()}) == 1
    ]
    if not holding:
        wanted = ", ".join(f"{name} {list(sizes)}" for name, sizes in shapes.items())
        raise EngineError(
            f"{where}: no optimisation profile takes {wanted}: expected {_told(profiles)}; build "
            "it again with a profile for these"
        )
    return min(holding, key=lambda number: _volume(profiles[number]))


def _batches(profile: Profile, sizes: Mapping[str, Sizes]) -> tuple[int, int] | None:
    """The least and the largest N that a profile runs of some sizes, None if it takes none."""
    if profile.keys() != sizes.keys():
        return None
    for name, shapes in profile.items():
        if not shapes.holds((shapes.min[0], *sizes[name])):
            return None
    return (
        max(shapes.min[0] for shapes in profile.values()),
        min(shapes.max[0] for shapes in profile.values()),
    )


def _padded(samples: int, low: int, high: int) -> int:
    """Return N that runs for some samples: the next power of two within a profile."""
    return min(high, max(low, 1 << (samples - 1).bit_length()))


def _volume(profile: Profile) -> tuple[int, int]:
    """What a profile was tuned for: of equal volumes, that of smaller samples comes first."""
    largest = max((shapes.max for shapes in profile.values()), key=prod)
    return prod(largest), prod(largest[1:])


def _told(profiles: Sequence[Profile]) -> str:
    told = (
        ", ".join(f"{name} {shapes}" for name, shapes in profile.items()) for profile in profiles
    )
    return " or ".join(dict.fromkeys(told))
