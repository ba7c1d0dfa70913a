"""What goes into a network and comes out of it: names, dtypes, sizes, and ranges of sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ArtifactError
from runtime.fields import Field, check_fields, whole

Array = NDArray[Any]
Sizes = tuple[int, ...]
Shapes = Mapping[str, Sizes]
"""Sizes of every input by its name, N first."""
Fill = Callable[[Mapping[str, Array]], None]
"""Writes inputs, by name, into arrays whose content may be anything before."""
Filled = tuple[Shapes, Fill]
"""Inputs of one run: their shapes, and what writes them."""

MOST_DIMENSIONS = 8
_LARGEST_SIZE = 2**31 - 1


@dataclass(frozen=True)
class Part:
    """Samples that run together.

    Args:
        start: the first one's place among those given.
        count: how many of them.
        batch: N that runs, at least `count`: the rest only fills up.
    """

    start: int
    count: int
    batch: int


@dataclass(frozen=True)
class TensorInfo:
    """An input or output as the model declares it.

    Args:
        name: by which it is fed or read.
        dtype: as NumPy names it, e.g. `float32`; as the engine does where NumPy has no name.
        shape: sizes; a name or None where one is open; None where nothing is declared.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """Sizes, None where one is open; empty where nothing is declared."""
        return tuple(
            size if isinstance(size, int) and size > 0 else None for size in self.shape or ()
        )

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {list(self.shape or ())}"


def is_shape(value: Any, lowest: int) -> bool:
    """Whether a value is a tuple of up to eight sizes."""
    sizes = whole(lowest, _LARGEST_SIZE)
    return (
        isinstance(value, tuple)
        and 0 < len(value) <= MOST_DIMENSIONS
        and all(map(sizes.accepts, value))
    )


_SHAPE = Field("one to eight positive sizes", lambda value: is_shape(value, 1))
RANGE_FIELDS = {name: _SHAPE for name in ("min", "opt", "max")}


@dataclass(frozen=True)
class ShapeRange:
    """Shapes that an input may have.

    Args:
        min, max: the smallest and the largest size of each dimension.
        opt: the shape that it is tuned for.
    """

    min: Sizes
    opt: Sizes
    max: Sizes

    def __post_init__(self) -> None:
        check_fields(vars(self), RANGE_FIELDS, "impossible range of shapes", "build it again")
        is_even = len(self.min) == len(self.opt) == len(self.max)
        sizes = zip(self.min, self.opt, self.max, strict=False)
        if not is_even or not all(low <= middle <= high for low, middle, high in sizes):
            raise ArtifactError(
                "impossible range of shapes: expected 0 < min <= opt <= max in every dimension, "
                f"got {list(self.min)}, {list(self.opt)}, {list(self.max)}; build it again"
            )

    def holds(self, sizes: Sizes) -> bool:
        """Whether a shape lies within."""
        return len(sizes) == len(self.min) and all(
            low <= size <= high for low, size, high in zip(self.min, sizes, self.max, strict=True)
        )

    def __str__(self) -> str:
        pairs = zip(self.min, self.max, strict=True)
        return f"[{', '.join(str(a) if a == b else f'{a} to {b}' for a, b in pairs)}]"


def range_from_json(entries: Mapping[str, Any]) -> ShapeRange:
    """Read a range back from what JSON holds of it, lists for tuples, what is missing None.

    Raises:
        ArtifactError: naming what is impossible.
    """
    values: dict[str, Any] = {name: entries.get(name) for name in RANGE_FIELDS}
    return ShapeRange(
        **{
            name: tuple(bounds) if isinstance(bounds, list) else bounds
            for name, bounds in values.items()
        }
    )


Profile = Mapping[str, ShapeRange]
"""What one optimisation profile of an engine takes: a range of shapes for every input."""


def filled(shapes: Shapes, infos: tuple[TensorInfo, ...], fill: Fill) -> dict[str, Array]:
    """Return inputs in the host's ordinary memory, written by `fill`."""
    arrays = {info.name: np.empty(shapes[info.name], np.dtype(info.dtype)) for info in infos}
    fill(arrays)
    return arrays


def full_parts(batch: Array, size: int) -> list[Array]:
    """Divide a batch into parts of `size` samples each, the last one filled up with zeros."""
    missing = -len(batch) % size
    widths = [(0, missing), *[(0, 0)] * (batch.ndim - 1)]
    filled_up = np.pad(batch, widths) if missing else batch
    return np.split(filled_up, len(filled_up) // size)
