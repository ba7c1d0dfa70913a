"""The maps that a detector learns: where text is, shrunk, and how near its border is.

Source: Liao et al. 2020 (arXiv:1911.08947), section 3.3; PaddleOCR `make_shrink_map`,
`make_border_map`.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from runtime.detection.offset import area_and_length
from training.data.sample import Draw, Sample
from training.detection.labels import IS_UNLABELLED

Map = NDArray[np.float32]
Polygon = NDArray[np.floating[Any]]

_GROWTH = 0.2
"""By how much the shrink ratio grows until the last epoch."""


def grown_ratio(shrink_ratio: float, total_epoch: int | None, epoch: int) -> float:
    """Return the shrink ratio of an epoch: where `total_epoch` is given it grows by 0.2.

    Args:
        shrink_ratio: of the beginning.
        total_epoch: of the run.
        epoch: from 0; PaddleOCR counts from 1.
    """
    if total_epoch is None:
        return shrink_ratio
    return shrink_ratio + _GROWTH * (epoch + 1) / total_epoch


def offset_polygons(polygon: Polygon, distances: list[float]) -> NDArray[np.int32] | None:
    """Move the sides of a polygon outwards, or inwards where a distance is negative.

    Args:
        polygon: corners (x, y) in px, [P, 2]; fractions are cut off first.
        distances: in px; the first that gives one polygon counts, else the last.

    Returns:
        The resulting polygons one behind the other, int32 [Q, 3]: number, x and y; None where
        nothing is left.
    """
    offset = pyclipper.PyclipperOffset()
    offset.AddPath(polygon.tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    found: list[Any] = []
    for distance in distances:
        found = offset.Execute(distance)
        if len(found) == 1:
            break
    if not found:
        return None
    numbers = np.repeat(np.arange(len(found)), [len(path) for path in found])
    points = np.concatenate([np.array(path, dtype=np.int32) for path in found])
    return np.column_stack([numbers, points]).astype(np.int32)


class MakeBorderMap:
    """Draws `threshold_map` and `threshold_mask`: how near a pixel is to the border of a text.

    The map falls from `thresh_max` on the border to `thresh_min` at the distance by which a
    text is shrunk, inside and outside; the mask, float32 [h, w] as the map, is 1 that far.

    Args:
        shrink_ratio: as `MakeShrinkMap` has it.
        thresh_min, thresh_max: values of the map.
        total_epoch: of the run; where given, the ratio grows by 0.2 until then.

    Source: PaddleOCR `make_border_map`.
    """

    def __init__(
        self,
        shrink_ratio: float = 0.4,
        thresh_min: float = 0.3,
        thresh_max: float = 0.7,
        total_epoch: int | None = None,
    ) -> None:
        self.shrink_ratio = shrink_ratio
        self.thresh_min = thresh_min
        self.thresh_max = thresh_max
        self.total_epoch = total_epoch

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Draw the maps of a sample whose size is final."""
        ratio = grown_ratio(self.shrink_ratio, self.total_epoch, draw.epoch)
        nearness = np.zeros(sample.image.shape[:2], dtype=np.float32)
        mask = np.zeros_like(nearness)
        for polygon, is_ignored in zip(
            sample.values["polys"], sample.values["ignore_tags"], strict=True
        ):
            if not is_ignored:
                draw_border(polygon, ratio, nearness, mask)
        scaled = nearness * (self.thresh_max - self.thresh_min) + self.thresh_min
        sample.values["threshold_map"] = scaled
        sample.values["threshold_mask"] = mask
        return sample


def draw_border(polygon: Polygon, shrink_ratio: float, nearness: Map, mask: Map) -> None:
    """Draw one text into the maps of nearness and of what counts, in place.

    Args:
        polygon: corners (x, y) in px, [P, 2].
        shrink_ratio: which tells the distance.
        nearness: 1 on the border, 0 at the distance and beyond, float32 [h, w].
        mask: 1 up to the distance, float32 [h, w].
    """
    area, length = area_and_length(polygon)
    if not area > 0:
        return
    distance = float(area * (1 - shrink_ratio**2) / length)
    found = offset_polygons(polygon, [distance])
    if found is None:
        return
    outer = found[found[:, 0] == 0, 1:]
    cv2.fillPoly(mask, [outer], 1.0)
    # Only what lies in the image is computed, with coordinates from the polygon's upper left.
    left, top = outer.min(axis=0).tolist()
    right, bottom = outer.max(axis=0).tolist()
    height, width = nearness.shape
    columns = slice(max(left, 0), min(right + 1, width))
    rows = slice(max(top, 0), min(bottom + 1, height))
    if columns.start >= columns.stop or rows.start >= rows.stop:
        return
    x = np.arange(columns.start - left, columns.stop - left, dtype=np.float64)
    y = np.arange(rows.start - top, rows.stop - top, dtype=np.float64)
    points = polygon.copy()
    points[:, 0] -= left
    points[:, 1] -= top
    part = nearness[rows, columns]
    np.fmax(1 - border_distances(points, x, y, distance), part, out=part)


def border_distances(
    points: Polygon, x: NDArray[np.float64], y: NDArray[np.float64], distance: float
) -> Map:
    """Return how far pixels are from a polygon's sides, as a share of `distance` up to 1.

    Where a pixel sees a side under less than a right angle, the nearer end counts instead of the
    side, as in PaddleOCR: beside the ends of long sides this is a little too far.

    Args:
        points: corners (x, y), [P, 2].
        x, y: of the pixels' columns and rows, [w] and [h].
        distance: in px.

    Returns:
        float32 [h, w].
    """
    nearest = np.ones((len(y), len(x)), dtype=np.float32)
    squares = [
        np.square(x - point[0])[np.newaxis] + np.square(y - point[1])[:, np.newaxis]
        for point in points
    ]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for index, first in enumerate(points):
            last = points[(index + 1) % len(points)]
            square = np.square(first[0] - last[0]) + np.square(first[1] - last[1])
            from_first, from_last = squares[index], squares[(index + 1) % len(points)]
            product = from_first * from_last
            cosine = (square - from_first - from_last) / (2 * np.sqrt(product))
            square_sine = np.nan_to_num(1 - np.square(cosine))
            result = product * square_sine / square
            np.copyto(result, np.fmin(from_first, from_last), where=cosine < 0)
            share = np.clip(np.sqrt(result) / distance, 0, 1).astype(np.float32)
            np.minimum(nearest, share, out=nearest)
    return nearest


class MakeShrinkMap:
    """Draws `shrink_map` and `shrink_mask`: where text is, shrunk, and what is learnt of it.

    Ignored texts, and those that are too small or vanish when shrunk, are 0 in the mask; they are
    ignored from here on.

    Args:
        min_text_size: of a text's bounding box in px.
        shrink_ratio: a text is moved inwards by its area over its perimeter, times 1 minus the
            square of this.
        total_epoch: of the run; where given, the ratio grows by 0.2 until then.

    Source: PaddleOCR `make_shrink_map`.
    """

    def __init__(
        self, min_text_size: int = 8, shrink_ratio: float = 0.4, total_epoch: int | None = None
    ) -> None:
        self.min_text_size = min_text_size
        self.shrink_ratio = shrink_ratio
        self.total_epoch = total_epoch

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Draw the maps of a sample whose size is final."""
        ratio = grown_ratio(self.shrink_ratio, self.total_epoch, draw.epoch)
        height, width = sample.image.shape[:2]
        polygons, ignored = _within(
            sample.values["polys"], sample.values["ignore_tags"], height, width
        )
        text = np.zeros((height, width), dtype=np.float32)
        is_labelled = not sample.values.get(IS_UNLABELLED, False)
        mask = np.full((height, width), float(is_labelled), dtype=np.float32)
        for index, polygon in enumerate(polygons):
            sides = polygon.max(axis=0) - polygon.min(axis=0)
            shrunk = None
            if not ignored[index] and sides.min() >= self.min_text_size:
                shrunk = shrunk_polygon(polygon, ratio)
            if shrunk is None:
                cv2.fillPoly(mask, [polygon.astype(np.int32)], 0)
                ignored[index] = True
                continue
            for number in range(shrunk[-1, 0] + 1):
                cv2.fillPoly(text, [shrunk[shrunk[:, 0] == number, 1:]], 1)
        sample.values |= {"polys": polygons, "ignore_tags": ignored}
        sample.values |= {"shrink_map": text, "shrink_mask": mask}
        return sample


def shrunk_polygon(polygon: Polygon, shrink_ratio: float) -> NDArray[np.int32] | None:
    """Move the sides of a text inwards, less and less far until it stays in one piece.

    Args:
        polygon: corners (x, y) in px, [P, 2].
        shrink_ratio: the first ratio; its multiples below 1 follow.

    Returns:
        As `offset_polygons`.
    """
    area, length = area_and_length(polygon)
    ratios = np.arange(shrink_ratio, 1, shrink_ratio)
    return offset_polygons(polygon, (-area * (1 - np.power(ratios, 2)) / length).tolist())


def _within(
    polygons: Polygon, ignored: Any, height: int, width: int
) -> tuple[Polygon, NDArray[np.bool_]]:
    """Return polygons held to the image, all in one direction, and which of them are ignored."""
    polygons, ignored = polygons.copy(), np.array(ignored, dtype=np.bool_)
    if not len(polygons):
        return polygons, ignored
    polygons[..., 0] = np.clip(polygons[..., 0], 0, width - 1)
    polygons[..., 1] = np.clip(polygons[..., 1], 0, height - 1)
    before = np.roll(polygons, 1, axis=1)
    terms = polygons[..., 0] * before[..., 1] - polygons[..., 1] * before[..., 0]
    areas = np.cumsum(terms, axis=1)[:, -1] / 2
    ignored |= np.abs(areas) < 1
    polygons[areas > 0] = polygons[areas > 0, ::-1]
    return polygons, ignored
