"""Moves the sides of polygons outwards and rounds the corners, in whole pixels.

The arithmetic is that of the Clipper library, step by step, so that its rounding is found here
too. A convex quadrangle needs nothing of Clipper's union: moved outwards it does not cross itself.

Source: Angus Johnson's Clipper 6.4.2, `ClipperOffset` with `jtRound` and `etClosedPolygon`;
PaddleOCR `db_postprocess.unclip`, which calls it through pyclipper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any] | np.integer[Any]]
Coordinates = NDArray[np.float64]

_ARC_TOLERANCE_PX = 0.25
"""The farthest that the middle of a corner's chord lies inside its arc."""


def area_and_length(polygons: Points) -> tuple[Coordinates, Coordinates]:
    """Return the areas and perimeters of polygons, summed in the order that GEOS sums them.

    Args:
        polygons: (x, y) in px, [..., P, 2], P >= 3.

    Returns:
        Two float64 arrays [...], in px² and px.
    """
    points = polygons.astype(np.float64)
    x, y = points[..., 0], points[..., 1]
    terms = (x[..., 1:] - x[..., :1]) * (y[..., :-1] - np.roll(y, -1, axis=-1)[..., 1:])
    sides = np.roll(points, -1, axis=-2) - points
    lengths = np.sqrt(sides[..., 0] ** 2 + sides[..., 1] ** 2)
    # A cumulative sum adds one term after the other, which `sum` does not.
    area = np.abs(np.cumsum(terms, axis=-1)[..., -1] / 2)
    return area, np.cumsum(lengths, axis=-1)[..., -1]


def expanded_quads(quads: Points, distances: Coordinates) -> NDArray[np.int64]:
    """Move the sides of convex quadrangles outwards, with round corners.

    Args:
        quads: (x, y) in px, [B, 4, 2]; fractions are cut off first, towards 0.
        distances: how far, in px, [B].

    Returns:
        int64 [B, P, 2]: the corner points of each; shorter ones repeat points.
    """
    corners = np.trunc(quads.astype(np.float64))
    x, y = corners[..., 0], corners[..., 1]
    turning = x * (np.roll(y, -1, axis=1) - np.roll(y, 1, axis=1))
    is_reversed = turning.sum(axis=1) < 0
    corners[is_reversed] = corners[is_reversed, ::-1]
    sides = np.roll(corners, -1, axis=1) - corners
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1.0 / np.sqrt(sides[..., 0] ** 2 + sides[..., 1] ** 2)
    inverse[~np.isfinite(inverse)] = 0.0
    normals = np.stack([sides[..., 1] * inverse, -sides[..., 0] * inverse], axis=-1)
    steps, rotation = _arc_steps(distances)
    rows = np.arange(len(quads))
    before = np.full(len(quads), 3)
    points = []
    for corner in range(4):
        first, last = normals[rows, before], normals[:, corner]
        sine = first[:, 0] * last[:, 1] - last[:, 0] * first[:, 1]
        cosine = first[:, 0] * last[:, 0] + first[:, 1] * last[:, 1]
        is_straight = (np.abs(sine * distances) < 1.0) & (cosine > 0)
        is_concave = ~is_straight & (sine * distances < 0)
        angle = np.abs(np.arctan2(np.clip(sine, -1.0, 1.0), cosine))
        count = np.maximum(_rounded(steps * angle), 1.0)
        count[is_straight | is_concave] = 1.0
        at = corners[:, corner]
        end = np.where(is_straight[:, np.newaxis], first, last)
        moved = _moved(at, end, distances)
        direction = first
        for step in range(int(count.max(initial=1.0))):
            is_on_arc = (step < count)[:, np.newaxis]
            points.append(np.where(is_on_arc, _moved(at, direction, distances), moved))
            direction = _rotated(direction, rotation)
        if is_concave.any():
            points.append(np.where(is_concave[:, np.newaxis], at, moved))
        points.append(moved)
        before = np.where(is_straight, before, corner)
    return _in_clippers_order(np.stack(points, axis=1).astype(np.int64))


def _in_clippers_order(outlines: NDArray[np.int64]) -> NDArray[np.int64]:
    """Let outlines, [B, P, 2], end with the right end of their upper edge, as Clipper's do.

    OpenCV finds the same rectangle around them from any start, but for a rounding of 1e-5 px.
    """
    num_points = outlines.shape[1]
    heights, rows = outlines[..., 1], np.arange(len(outlines))[:, np.newaxis]
    is_top = heights == heights.min(axis=1, keepdims=True)
    right = np.where(is_top, outlines[..., 0], np.iinfo(np.int64).min)
    last = num_points - 1 - np.argmax(right[:, ::-1], axis=1)
    order = (last[:, np.newaxis] + 1 + np.arange(num_points)) % num_points
    return outlines[rows, order]


def _arc_steps(distances: Coordinates) -> tuple[Coordinates, Coordinates]:
    """Return the steps per radian of arcs, and sine and cosine of a step, [B] and [2, B]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = np.pi / np.arccos(1 - _ARC_TOLERANCE_PX / distances)
        whole = np.where(whole > distances * np.pi, distances * np.pi, whole)
        step = 2 * np.pi / whole
        steps = whole / (2 * np.pi)
    # Below an eighth of a pixel there is no such arc, and a corner is one step.
    return np.nan_to_num(steps), np.stack([np.sin(step), np.cos(step)])


def _rotated(direction: Coordinates, rotation: Coordinates) -> Coordinates:
    sine, cosine = rotation
    x, y = direction[:, 0], direction[:, 1]
    return np.stack([x * cosine - sine * y, x * sine + y * cosine], axis=1)


def _moved(at: Coordinates, direction: Coordinates, distances: Coordinates) -> Coordinates:
    return _rounded(at + direction * distances[:, np.newaxis])


def _rounded(values: Coordinates) -> Coordinates:
    """Round halves away from 0."""
    return np.trunc(values + np.where(values < 0, -0.5, 0.5))
