"""Draws boxes onto their image, for people to look through."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.detection.result import Detection
from runtime.infer.table import printable

_MOST_SIDE_PX, _LEAST_SIDE_PX = 4000, 240
_BOX, _INK = (200, 80, 0), (0, 0, 0)
_PX_PER_LINE_WIDTH = 600
_LINE_PX, _MARGIN_PX, _CHARACTERS = 18, 8, 60


def drawing(image: NDArray[np.uint8], detection: Detection) -> NDArray[np.uint8]:
    """Draw boxes onto an image; for one that could not be read, the reason on white.

    Args:
        image: BGR uint8 [h, w, 3].
        detection: its result.

    Returns:
        BGR uint8 [h, w, 3]; a very large image is scaled down.
    """
    if detection.error is not None:
        return _words(f"error: {printable(detection.error)}")
    height, width = image.shape[:2]
    scale = min(1.0, _MOST_SIDE_PX / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    else:
        canvas = image.copy()
    thickness = max(1, round(max(canvas.shape[:2]) / _PX_PER_LINE_WIDTH))
    for box in detection.boxes:
        outline = np.round(np.array(box.points, dtype=np.float64) * scale).astype(np.int32)
        cv2.polylines(canvas, [outline], True, _BOX, thickness, cv2.LINE_AA)
    return canvas


def _words(text: str) -> NDArray[np.uint8]:
    """Write a text on white; characters beyond ASCII as question marks."""
    text = text.encode("ascii", "replace").decode()
    lines = [text[start : start + _CHARACTERS] for start in range(0, len(text), _CHARACTERS)]
    height = len(lines) * _LINE_PX + 2 * _MARGIN_PX
    canvas = np.full((height, 2 * _LEAST_SIDE_PX, 3), 255, dtype=np.uint8)
    for number, line in enumerate(lines):
        place = (_MARGIN_PX, _MARGIN_PX + (number + 1) * _LINE_PX - 5)
        cv2.putText(canvas, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)
    return canvas
