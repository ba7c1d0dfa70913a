"""The mean probability inside polygons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Probability = NDArray[np.float32]
Points = NDArray[np.floating[Any] | np.integer[Any]]

_MOST_LAYERS = 64
_SMALL_WORK_PX = 2**26
"""Regions inside each other are averaged one by one: this bounds the work on a map of rings."""


def means_inside(probability: Probability, polygons: Sequence[Points]) -> Iterator[float]:
    """Yield the mean of a map inside each polygon, from its bounding box alone.

    The polygons' bounding boxes together cover the map at most 64 times; the iteration ends
    before the polygon that exceeds this, as it ends after `max_candidates`.

    Args:
        probability: float32 [H, W].
        polygons: (x, y) in px, [P, 2] each; what lies outside the map is left out.

    Source: PaddleOCR `db_postprocess.box_score_fast`, with its rounding: the corners of the
    bounding box outwards, those of the polygon, relative to it, towards 0.
    """
    height, width = probability.shape
    left_px = max(_MOST_LAYERS * height * width, _SMALL_WORK_PX)
    for points in polygons:
        x_min, y_min = np.floor(points.min(axis=0)).astype(int).tolist()
        x_max, y_max = np.ceil(points.max(axis=0)).astype(int).tolist()
        x_min, x_max = min(max(x_min, 0), width - 1), min(max(x_max, 0), width - 1)
        y_min, y_max = min(max(y_min, 0), height - 1), min(max(y_max, 0), height - 1)
        shape = (y_max - y_min + 1, x_max - x_min + 1)
        left_px -= shape[0] * shape[1]
        if left_px < 0:
            return
        inside = np.zeros(shape, dtype=np.uint8)
        outline = (points - np.array([x_min, y_min], dtype=points.dtype)).astype(np.int32)
        cv2.fillPoly(inside, [outline], 1)
        yield cv2.mean(probability[y_min : y_max + 1, x_min : x_max + 1], inside)[0]
