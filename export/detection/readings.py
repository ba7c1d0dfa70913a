"""The boxes of a page as what a detector reads there, and when two such readings are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.detection.boxes import BoxOptions, find_boxes

Polygon = tuple[tuple[float, float], ...]

MATCHING_IOU = 0.5
"""Two boxes are the same if their intersection over union is larger: ICDAR 2015's rule."""
_IGNORED_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class PageReading:
    """The boxes of one page.

    Two readings are equal if every box of either has one of the other's for itself, with an
    intersection over union above 0.5: the harmonic mean of precision and recall is 1. So moved
    corners do not count, lost, added, merged and divided boxes do.

    Args:
        polygons: corners (x, y) of each box, in px of the network's input.
        ignored: of labels: whether nothing is known of what stands in each; none where empty.
    """

    polygons: tuple[Polygon, ...]
    ignored: tuple[bool, ...] = ()

    @classmethod
    def of(cls, polygons: Sequence[Any], ignored: Sequence[Any] = ()) -> PageReading:
        """Take corners from arrays [P, 2]."""
        listed = (np.asarray(points, np.float64).tolist() for points in polygons)
        corners = tuple(tuple((x, y) for x, y in points) for points in listed)
        return cls(corners, tuple(map(bool, ignored)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PageReading):
            return NotImplemented
        if self.polygons == other.polygons and not any((*self.ignored, *other.ignored)):
            return True
        ours, theirs = self._counted(other), other._counted(self)
        return len(ours) == len(theirs) == num_matches(ours, theirs)

    def __repr__(self) -> str:
        count = len(self.polygons) - sum(self.ignored)
        return f"{count} box{'' if count == 1 else 'es'}"

    def _counted(self, other: PageReading) -> list[Polygon]:
        """Return the boxes that are not ignored, nor lie on what the other reading ignores."""
        ignored = self.ignored or (False,) * len(self.polygons)
        kept = [box for box, is_left in zip(self.polygons, ignored, strict=True) if not is_left]
        left = [box for box, is_left in zip(other.polygons, other.ignored, strict=False) if is_left]
        if not left:
            return kept
        shared, own, _ = _areas(kept, left)
        largest = shared.max(axis=1) if kept else own
        on_ignored = (largest > _IGNORED_SHARE * own).tolist()
        return [box for box, is_left in zip(kept, on_ignored, strict=True) if not is_left]


def num_matches(first: Sequence[Polygon], second: Sequence[Polygon]) -> int:
    """Count pairs of boxes that are the same, each box in one pair at most."""
    if not first or not second:
        return 0
    shared, ours, theirs = _areas(first, second)
    ious = shared / np.maximum(ours[:, np.newaxis] + theirs - shared, 1)
    count = 0
    for row in ious:  # each takes the best that is free
        best = int(row.argmax())
        if row[best] > MATCHING_IOU:
            ious[:, best] = 0
            count += 1
    return count


def _areas(
    first: Sequence[Polygon], second: Sequence[Polygon]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the pixels that each pair shares, [len(first), len(second)], and those of each."""
    a, b = ([np.asarray(box, np.float64) for box in boxes] for boxes in (first, second))
    ours, theirs = (np.array([_num_pixels([box]) for box in boxes]) for boxes in (a, b))
    shared = np.zeros((len(a), len(b)))
    low, high = (np.array([end(box, axis=0) for box in b]) for end in (np.min, np.max))
    for row, box in zip(shared, a, strict=True):
        is_near = (low <= box.max(axis=0)).all(axis=1) & (high >= box.min(axis=0)).all(axis=1)
        for column in np.flatnonzero(is_near):
            row[column] = _num_pixels([box, b[column]])
    return shared, ours, theirs


def _num_pixels(polygons: Sequence[NDArray[np.float64]]) -> float:
    """Count the pixels that lie in all polygons, their borders among them."""
    corners = [np.round(polygon).astype(np.int32) for polygon in polygons]
    low = np.max([points.min(axis=0) for points in corners], axis=0)
    high = np.min([points.max(axis=0) for points in corners], axis=0)
    if (high < low).any():
        return 0.0
    inside = np.ones(tuple((high - low + 1)[::-1]), np.uint8)
    for points in corners:
        mask = np.zeros_like(inside)
        cv2.fillPoly(mask, [points - low], 1)
        inside &= mask
    return float(np.count_nonzero(inside))


class FoundBoxes(Sequence[PageReading]):
    """The readings of N maps, found when they are asked for: distances of numbers need none.

    Args:
        maps: probabilities, float [N, H, W].
        options: of the boxes.
    """

    def __init__(self, maps: NDArray[Any], options: BoxOptions) -> None:
        self._maps, self._options = maps, options

    def __len__(self) -> int:
        return len(self._maps)

    @overload
    def __getitem__(self, index: int) -> PageReading: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PageReading]: ...
    def __getitem__(self, index: int | slice) -> PageReading | Sequence[PageReading]:
        if isinstance(index, slice):
            return FoundBoxes(self._maps[index], self._options)
        probability = self._maps[index]
        height, width = probability.shape
        return PageReading.of(find_boxes(probability, (height, width), self._options).points)

    def __iter__(self) -> Iterator[PageReading]:
        return (self[index] for index in range(len(self)))
