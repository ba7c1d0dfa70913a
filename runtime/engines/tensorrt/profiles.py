"""Which optimisation profile takes a batch, and what an engine takes at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runtime.engines.sidecar import Profile
from runtime.errors import ArtifactError, EngineError
from runtime.recognition.spec import RecognizerSpec

_N, _W = 0, 3


@dataclass(frozen=True)
class Part:
    """Lines that run together.

    Args:
        profile: number of the optimisation profile.
        start: the first line's place in the batch that was given.
        count: how many of its lines.
        batch: N that runs, at least `count`: a profile's least N is filled up with blank lines.
    """

    profile: int
    start: int
    count: int
    batch: int


def limited_spec(spec: RecognizerSpec, profiles: Sequence[Profile], where: str) -> RecognizerSpec:
    """A spec whose width policy stays within what the profiles take.

    Args:
        spec: of the model.
        profiles: of the engine.
        where: the plan, for messages.

    Raises:
        ArtifactError: if no width suits both, or channels or height differ.
    """
    for profile in profiles:
        if profile.max[1:3] != (spec.channels, spec.height) or profile.min[1:3] != profile.max[1:3]:
            raise ArtifactError(
                f"{where}: profiles and spec disagree: expected C = {spec.channels} and H = "
                f"{spec.height}, got {list(profile.min)} to {list(profile.max)}; build it again"
            )
    narrowest = max(spec.width.min_px, min(profile.min[_W] for profile in profiles))
    widest = min(spec.width.max_px, max(profile.max[_W] for profile in profiles))
    if narrowest > widest:
        raise ArtifactError(
            f"{where}: the engine takes none of the model's widths: expected some of "
            f"{spec.width.min_px} to {spec.width.max_px} px, got {_ranges(profiles)}; build it "
            "again with other shapes"
        )
    return replace(spec, width=replace(spec.width, min_px=narrowest, max_px=widest))


def parts_of(count: int, width_px: int, profiles: Sequence[Profile], where: str) -> list[Part]:
    """Divide a batch into what the engine runs.

    Args:
        count: lines of the batch.
        width_px: W of all of them.
        profiles: of the engine.
        where: the plan, for messages.

    Returns:
        parts in order; each in the smallest profile that holds it.

    Raises:
        EngineError: if no profile takes this width.
    """
    of_width = [
        index
        for index, profile in enumerate(profiles)
        if profile.min[_W] <= width_px <= profile.max[_W]
    ]
    if not of_width:
        raise EngineError(
            f"{where}: no optimisation profile takes a width of {width_px} px: expected "
            f"{_ranges(profiles)}; build it again with a profile for this width"
        )
    most = max(profiles[index].max[_N] for index in of_width)
    parts = []
    for start in range(0, count, most):
        lines = min(most, count - start)
        index = min(
            (one for one in of_width if profiles[one].max[_N] >= lines),
            # Running fewer blank lines comes first, then the profile that was tuned for less.
            key=lambda one: (max(lines, profiles[one].min[_N]), _volume(profiles[one])),
        )
        parts.append(Part(index, start, lines, max(lines, profiles[index].min[_N])))
    return parts


def _volume(profile: Profile) -> tuple[int, int]:
    return profile.max[_N] * profile.max[_W], profile.max[_W]


def _ranges(profiles: Sequence[Profile]) -> str:
    ranges = sorted({(profile.min[_W], profile.max[_W]) for profile in profiles})
    return " or ".join(f"{low} to {high} px" if low < high else f"{low} px" for low, high in ranges)
