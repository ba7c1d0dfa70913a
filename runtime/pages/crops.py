"""Cuts lines out of a page, straight and at the recogniser's height, from the page's own pixels."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.recognition.spec import RecognizerSpec

Image = NDArray[np.uint8]
Corners = NDArray[np.float64]

_LEAST_TO_AVERAGE = 1.25
"""Shrinking by more takes the mean of pixels: interpolation would step over some."""
_FINE, _AS_TRAINED = cv2.INTER_CUBIC, cv2.INTER_LINEAR
"""Recognisers are trained on lines that were enlarged linearly: cubic enlarging, though sharper,
costs words, by their spaces above all."""
_MOST_SOURCE_PX = 30_000
"""OpenCV's warps take no image with a side of 2^15 px."""
_BORDER_PX = 3


class Crop(NamedTuple):
    """A line that was cut out.

    Args:
        pixels: BGR uint8 [H, w, 3].
        to_page: perspective from px of the crop to px of the page, float64 [3, 3].
        is_squeezed: whether the line is longer than the recogniser takes.
    """

    pixels: Image
    to_page: NDArray[np.float64]
    is_squeezed: bool


def extent(corners: Corners) -> tuple[float, float]:
    """Return the mean width and height in px of four corners [4, 2] in reading order."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    return float(sides[0] + sides[2]) / 2, float(sides[1] + sides[3]) / 2


def cut_out(page: Image, corners: Corners, spec: RecognizerSpec) -> Crop:
    """Cut a line out of a page.

    Work and memory are bounded by the part of the page around the line, and by the recogniser's
    widest input.

    Args:
        page: BGR uint8 [h, w, 3].
        corners: float64 [4, 2] in px of the page: where the text begins above, then clockwise.
        spec: tells height and greatest width.
    """
    width, height = (max(side, 1.0) for side in extent(corners))
    wanted_width = math.ceil(spec.height * width / height)
    crop_width = max(1, min(wanted_width, spec.width.max_px))
    shrinking = height / spec.height
    part, moved = _part_around(page, corners, int(shrinking))
    # What is left of the shrinking: less than 2, unless the line is tiny.
    scale = 2 if extent(moved)[1] / spec.height > _LEAST_TO_AVERAGE else 1
    target = _rectangle(crop_width, spec.height)
    # OpenCV counts from the middle of the first pixel, corners from its edge.
    warp = cv2.getPerspectiveTransform(
        (moved - 0.5).astype(np.float32), (target * scale - 0.5).astype(np.float32)
    )
    pixels = cv2.warpPerspective(
        part,
        warp,
        (crop_width * scale, spec.height * scale),
        flags=_FINE if scale > 1 else _AS_TRAINED,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if scale > 1:
        pixels = cv2.resize(pixels, (crop_width, spec.height), interpolation=cv2.INTER_AREA)
    to_page = cv2.getPerspectiveTransform(target, corners.astype(np.float32))
    return Crop(
        pixels.astype(np.uint8, copy=False),
        to_page.astype(np.float64, copy=False),
        wanted_width > crop_width + 1,
    )


def _part_around(page: Image, corners: Corners, shrinking: int) -> tuple[Image, Corners]:
    """Cut out the upright rectangle around corners, shrunk by a whole number.

    Args:
        shrinking: how many px become one; more where OpenCV could not warp the part.

    Returns:
        the part, and the corners in px of it.
    """
    border = _BORDER_PX * max(shrinking, 1)
    height, width = page.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)) - border, 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + border, 1, (width, height))
    part = page[
        int(top) : max(int(bottom), int(top) + 1), int(left) : max(int(right), int(left) + 1)
    ]
    moved = corners - (left, top)
    shrinking = max(shrinking, math.ceil(max(part.shape[:2]) / _MOST_SOURCE_PX))
    if shrinking < 2:
        return part, moved
    size = [max(math.ceil(side / shrinking), 1) for side in part.shape[1::-1]]
    ratio = np.array(size) / part.shape[1::-1]
    shrunk = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.uint8, copy=False), moved * ratio


def _rectangle(width: int, height: int) -> NDArray[np.float32]:
    """Return the corners of an upright rectangle from (0, 0), clockwise, [4, 2]."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
