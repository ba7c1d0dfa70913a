"""Draws what was found on a page, what was not, and what is no text, for people to look through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.sample import Image
from training.loop.page_parts import shrunk_to_fit

_HEIGHT_PX, _WIDTH_PX = 1000, 1000
_FRACTION_BITS = 4
_OPACITY = 0.4


class Style(NamedTuple):
    """How polygons are drawn.

    Args:
        colour: BGR.
        is_filled: whether their area is tinted, rather than their edge drawn.
        thickness: of the edge, px.
    """

    colour: tuple[int, int, int]
    is_filled: bool = False
    thickness: int = 1


# Texts are areas and boxes are edges, so that one is seen below the other; the colours of what is
# wrong stay apart for those who cannot tell red from green.
MISSED, IGNORED = Style((180, 0, 220), is_filled=True), Style((150, 150, 150), is_filled=True)
MATCHED, EXTRA = Style((200, 110, 0)), Style((0, 130, 255), thickness=2)
NOT_COUNTED = Style((120, 120, 120))


def drawing(image: Image, polygons: Iterable[tuple[Iterable[Any], Style]]) -> Image:
    """Draw polygons onto a page that is shrunk to fit.

    Args:
        image: BGR uint8 [h, w, 3].
        polygons: corners (x, y) in px of the image, [P, 2] each, and how they are drawn.

    Returns:
        BGR uint8 [h, w, 3].
    """
    canvas, scale = shrunk_to_fit(image, _HEIGHT_PX, _WIDTH_PX)
    canvas = canvas.copy()
    for same, style in polygons:
        points = [_fixed_point(polygon, scale) for polygon in same]
        if style.is_filled:
            _tint(canvas, points, style.colour)
        else:
            cv2.polylines(
                canvas, points, True, style.colour, style.thickness, cv2.LINE_AA, _FRACTION_BITS
            )
    return canvas


def _fixed_point(polygon: Sequence[Any], scale: float) -> NDArray[np.int32]:
    corners = np.asarray(polygon, dtype=np.float64) * (scale * (1 << _FRACTION_BITS))
    return np.round(corners).astype(np.int32)


def _tint(canvas: Image, points: Sequence[NDArray[np.int32]], colour: tuple[int, int, int]) -> None:
    """Mix a colour into areas, in place."""
    mask = np.zeros(canvas.shape[:2], dtype=np.uint8)
    for polygon in points:
        cv2.fillPoly(mask, [polygon], 255, cv2.LINE_8, _FRACTION_BITS)
    is_inside = mask > 0
    mixed = (1 - _OPACITY) * canvas[is_inside] + _OPACITY * np.array(colour)
    canvas[is_inside] = mixed.astype(np.uint8)
