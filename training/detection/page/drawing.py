"""Draws what was found on a page, what was not, and what is no text, for people to look through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from training.data.sample import Image
from training.loop.page_parts import shrunk_to_fit

# Blue and orange stay apart for those who cannot tell red from green.
FOUND, MISSED, EXTRA, IGNORED = (200, 110, 0), (40, 40, 220), (0, 150, 255), (150, 150, 150)
"""Colours, BGR."""
_HEIGHT_PX, _WIDTH_PX = 1000, 1000
_FRACTION_BITS = 4


def drawing(image: Image, outlines: Iterable[tuple[Sequence[Any], tuple[int, int, int]]]) -> Image:
    """Draw polygons onto a page that is shrunk to fit.

    Args:
        image: BGR uint8 [h, w, 3].
        outlines: polygons, corners (x, y) in px of the image, [P, 2] each, and their colour.

    Returns:
        BGR uint8 [h, w, 3].
    """
    canvas, scale = shrunk_to_fit(image, _HEIGHT_PX, _WIDTH_PX)
    canvas = canvas.copy()
    factor = scale * (1 << _FRACTION_BITS)
    for polygons, colour in outlines:
        for polygon in polygons:
            points = np.round(np.asarray(polygon, dtype=np.float64) * factor).astype(np.int32)
            cv2.polylines(canvas, [points], True, colour, 1, cv2.LINE_AA, _FRACTION_BITS)
    return canvas
