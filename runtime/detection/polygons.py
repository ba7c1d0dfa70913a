"""Outlines that follow curved text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.detection.contours import Contour
from runtime.errors import ArtifactError

_PRECISION = 0.002
"""Of the perimeter: how far a simplified outline may leave the contour."""


def simplified(contour: Contour) -> NDArray[np.int32]:
    """Leave out the points of a contour that lie within 0.002 of its perimeter from a line.

    Args:
        contour: (x, y) in px, int32 [P, 1, 2].

    Returns:
        int32 [Q, 2].
    """
    epsilon = _PRECISION * cv2.arcLength(contour, True)
    return cv2.approxPolyDP(contour, epsilon, True).reshape(-1, 2).astype(np.int32, copy=False)


def padded(outlines: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Repeat the last points of outlines [P, 2] until all have as many: [B, P, 2].

    Area and perimeter remain the same, to the bit, for coordinates are whole.
    """
    most = max(map(len, outlines))
    result = np.empty((len(outlines), most, 2), dtype=np.int32)
    for row, outline in zip(result, outlines, strict=True):
        row[: len(outline)], row[len(outline) :] = outline, outline[-1]
    return result


def expanded_polygon(outline: NDArray[np.int32], distance: float) -> NDArray[np.int32] | None:
    """Move the sides of a polygon outwards, with round corners.

    Where text is bent inwards the moved sides cross, and only a union of what they enclose tells
    the outline: that is the work of the Clipper library.

    Args:
        outline: (x, y) in px, int32 [P, 2].
        distance: how far, in px.

    Returns:
        int32 [Q, 2]; None where the result is not one polygon.

    Raises:
        ArtifactError: if pyclipper is not installed.
    """
    clipper = _import_clipper()
    offset = clipper.PyclipperOffset()
    offset.AddPath(outline, clipper.JT_ROUND, clipper.ET_CLOSEDPOLYGON)
    found = offset.Execute(distance)
    return np.array(found[0], dtype=np.int32) if len(found) == 1 else None


def _import_clipper() -> Any:
    try:
        import pyclipper
    except ImportError as error:
        raise ArtifactError(
            "boxes of the type poly need the package pyclipper, which is not installed; "
            "pip install 'distilrec[poly]', or take box_type quad"
        ) from error
    return pyclipper
