"""Where lines lie on a page that stands upright."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.pages.result import Points

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

_FARTHEST_PX = 1e7
_LONG = 3.0
"""Lines this many times as wide as high tell where they lean; shorter ones lean with the page."""
_STEEPEST = 0.35
"""Slope up to which lines lean with the page; steeper ones run another way."""
_TALL = 2.0


class UprightBoxes(NamedTuple):
    """Lines as seen when the page stands upright, float64 [N] each, in px.

    Args:
        left, right: ends.
        centre_x, centre_y: of the outline.
        height: mean distance from the upper to the lower side, above 0.
        slope: what a line falls a px to the right, beside what the page does.
        is_tall: whether it runs down the page, bool [N].
        angle: degrees that the page was turned by, clockwise.
    """

    left: Floats
    right: Floats
    centre_x: Floats
    centre_y: Floats
    height: Floats
    slope: Floats
    is_tall: NDArray[np.bool_]
    angle: float

    def at(self, places: Places) -> UprightBoxes:
        """Return some of them."""
        chosen = {
            name: values[places] for name, values in self._asdict().items() if name != "angle"
        }
        return self._replace(**chosen)

    def y_at(self, x: Floats | float) -> Floats:
        """Return how far down each line is at `x`, in px."""
        return self.centre_y + self.slope * (x - self.centre_x)


def upright_boxes(outlines: Sequence[Points], angle: float) -> UprightBoxes:
    """Turn lines with their page, and by the little that they all lean besides.

    Args:
        outlines: corners (x, y) in px of each line; what is no number counts as 0.
        angle: degrees that the page is to be turned by, clockwise.
    """
    angle = angle if math.isfinite(angle) else 0.0
    corners, starts = flattened(outlines)
    boxes = _measured(turned(corners, angle), starts, angle)
    is_telling = _are_telling(boxes)
    if is_telling.any():
        widths = (boxes.right - boxes.left)[is_telling]
        lean = _weighted_median(boxes.slope[is_telling], widths)
        angle -= math.degrees(math.atan(lean))
        boxes = _measured(turned(corners, angle), starts, angle)
    return boxes._replace(slope=np.where(_are_telling(boxes), boxes.slope, 0.0))


def flattened(outlines: Sequence[Points]) -> tuple[Floats, Places]:
    """Return all corners (x, y) one after the other, and where each outline begins.

    Args:
        outlines: of N lines; what is no number counts as 0, and so does an outline without corners.

    Returns:
        float64 [M, 2] and [N].
    """
    filled = [points or ((0.0, 0.0),) for points in outlines]
    corners = np.array(list(chain.from_iterable(filled)), dtype=np.float64).reshape(-1, 2)
    corners = np.nan_to_num(corners, nan=0.0, posinf=_FARTHEST_PX, neginf=-_FARTHEST_PX)
    counts = np.array([len(points) for points in filled], dtype=np.intp)
    return corners.clip(-_FARTHEST_PX, _FARTHEST_PX), np.cumsum(counts) - counts


def _are_telling(boxes: UprightBoxes) -> NDArray[np.bool_]:
    """Tell of each line whether it is long enough, and level enough, to show how the page leans."""
    is_long = boxes.right - boxes.left > _LONG * boxes.height
    is_telling: NDArray[np.bool_] = is_long & (np.abs(boxes.slope) < _STEEPEST)
    return is_telling


def turned(points: Floats, angle: float) -> Floats:
    """Turn (x, y) [..., 2] clockwise about the origin, as seen where y points down."""
    radians = math.radians(angle)
    cosine, sine = math.cos(radians), math.sin(radians)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def _measured(corners: Floats, starts: Places, angle: float) -> UprightBoxes:
    """Measure outlines by their edges, which tell the same whichever way the corners go."""
    num_corners = len(corners)
    ends = np.append(starts[1:], num_corners)
    following = np.arange(1, num_corners + 1)
    following[ends - 1] = starts
    counts = ends - starts

    def sums(values: NDArray[Any]) -> Floats:
        return np.add.reduceat(values, starts)

    edges = corners[following] - corners
    lengths = np.hypot(edges[:, 0], edges[:, 1]) + 1e-9  # a point is a very short edge
    middles = (corners + corners[following]) / 2
    perimeter = sums(lengths)
    centre = np.stack([sums(lengths * middles[:, axis]) / perimeter for axis in (0, 1)], axis=1)
    away = middles - np.repeat(centre, counts, axis=0)
    spread_x = sums(lengths * (away[:, 0] ** 2 + edges[:, 0] ** 2 / 12))
    spread_xy = sums(lengths * (away[:, 0] * away[:, 1] + edges[:, 0] * edges[:, 1] / 12))
    slope = np.divide(spread_xy, spread_x, out=np.zeros_like(spread_xy), where=spread_x > 1e-6)

    left = np.minimum.reduceat(corners[:, 0], starts)
    right = np.maximum.reduceat(corners[:, 0], starts)
    width = right - left
    level = corners[:, 1] - np.repeat(slope, counts) * corners[:, 0]
    extent = np.maximum.reduceat(level, starts) - np.minimum.reduceat(level, starts)
    crossed = away[:, 0] * edges[:, 1] - away[:, 1] * edges[:, 0]
    mean_height = np.divide(
        np.abs(sums(crossed)) / 2, width, out=np.zeros_like(width), where=width > 1e-6
    )
    height = np.maximum(np.maximum(mean_height, extent / 2), 1.0)
    upright = np.maximum.reduceat(corners[:, 1], starts) - np.minimum.reduceat(
        corners[:, 1], starts
    )
    usual = np.median(height) if len(height) else 1.0
    is_tall = (upright > _TALL * width) & (upright > _TALL * usual)
    return UprightBoxes(left, right, centre[:, 0], centre[:, 1], height, slope, is_tall, angle)


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
