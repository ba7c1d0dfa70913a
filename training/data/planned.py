"""Planned batches: the samples that share a batch, and the size that it gives their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload


@dataclass(frozen=True)
class Size:
    """The size that a batch gives its images.

    Args:
        height: in px.
        width: in px; the limit where widths follow the images.
    """

    height: int
    width: int


@dataclass(frozen=True)
class PlannedBatch(Sequence[int]):
    """Samples that share a batch.

    Args:
        indices: of the samples.
        size: of their images; None where the transforms alone decide.
    """

    indices: tuple[int, ...]
    size: Size | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[int, ...]: ...
    def __getitem__(self, place: int | slice) -> int | tuple[int, ...]:
        return self.indices[place]
