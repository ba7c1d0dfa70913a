"""The mean probability inside polygons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Probability = NDArray[np.float32]
Points = NDArray[Any]

_MOST_LAYERS = 64
_SMALL_WORK_PX = 2**26
"""Regions inside each other are averaged one by one: this bounds the work on a map of rings."""


def means_inside(probability: Probability, polygons: Sequence[Points] | Points) -> Iterator[float]:
    """Yield the mean of a map inside each polygon, from its bounding box alone.

    The polygons' bounding boxes together cover the map at most 64 times; the iteration ends
    before the polygon that exceeds this, as it ends after `max_candidates`.

    Args:
        probability: float32 [H, W].
        polygons: (x, y) in px, [P, 2] each, all at once where they are an array [B, P, 2]; what
            lies outside the map is left out.

    Source: PaddleOCR `db_postprocess.box_score_fast`, with its rounding: the corners of the
    bounding box outwards, those of the polygon, relative to it, towards 0.
    """
    height, width = probability.shape
    left_px = max(_MOST_LAYERS * height * width, _SMALL_WORK_PX)
    corners, outlines = _in_map(polygons, height, width)
    for (x_min, y_min, x_max, y_max), outline in zip(corners, outlines, strict=True):
        shape = (y_max - y_min + 1, x_max - x_min + 1)
        left_px -= shape[0] * shape[1]
        if left_px < 0:
            return
        inside = np.zeros(shape, dtype=np.uint8)
        cv2.fillPoly(inside, [outline], 1)
        yield cv2.mean(probability[y_min : y_max + 1, x_min : x_max + 1], inside)[0]


def _in_map(
    polygons: Sequence[Points] | Points, height: int, width: int
) -> tuple[list[list[int]], Sequence[NDArray[np.int32]]]:
    """Return left, top, right, bottom of polygons in a map, and the polygons relative to these."""
    if not len(polygons):
        return [], []
    if isinstance(polygons, np.ndarray):
        lows, highs = polygons.min(axis=1), polygons.max(axis=1)
    else:
        lows = np.array([points.min(axis=0) for points in polygons])
        highs = np.array([points.max(axis=0) for points in polygons])
    last = np.array([width - 1, height - 1])
    lows = np.clip(np.floor(lows).astype(int), 0, last)
    highs = np.clip(np.ceil(highs).astype(int), 0, last)
    corners = np.concatenate([lows, highs], axis=1).tolist()
    if isinstance(polygons, np.ndarray):
        relative = polygons - lows.astype(polygons.dtype)[:, np.newaxis]
        return corners, list(relative.astype(np.int32))
    return corners, [
        (points - low.astype(points.dtype)).astype(np.int32)
        for points, low in zip(polygons, lows, strict=True)
    ]
