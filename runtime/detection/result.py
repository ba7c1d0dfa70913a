"""The boxes of an image, shared by all that produce, write and use results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class TextBox(NamedTuple):
    """A box around a line of text.

    Args:
        points: corners (x, y) in px of the image, as it is after its orientation is applied; four
            whole ones clockwise from the upper left, or those of a polygon.
        score: mean probability inside it.
    """

    points: tuple[tuple[float, float], ...]
    score: float


@dataclass(frozen=True)
class Detection:
    """The boxes of text in an image, or the reason why it could not be read.

    Args:
        boxes: of the lines of text, in PaddleOCR's order, about from below; no order of reading.
        source: the path or name that was given, None for bytes and arrays.
        width_px, height_px: size of the image, 0 if it could not be read.
        input_width_px, input_height_px: size of the network's input, 0 if it could not be read.
        error: why the image could not be read, None if it could.
        warnings: of what was left out, or may have impaired the boxes.
    """

    boxes: tuple[TextBox, ...] = ()
    source: str | None = None
    width_px: int = 0
    height_px: int = 0
    input_width_px: int = 0
    input_height_px: int = 0
    error: str | None = None
    warnings: tuple[str, ...] = ()
