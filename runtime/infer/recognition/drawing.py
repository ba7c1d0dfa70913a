"""Draws a line with its recognised text below it, for people to look through."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.infer.fonts import TEXT_PX, font_for
from runtime.infer.table import printable
from runtime.recognition.result import Recognition

_MARGIN_PX = 8
_LEAST_WIDTH_PX, _MOST_WIDTH_PX, _MOST_HEIGHT_PX = 240, 4000, 400
_INK, _BOX, _WRONG, _PAPER = (0, 0, 0), (200, 80, 0), (200, 0, 0), (255, 255, 255)


def drawing(
    crop: NDArray[np.uint8], recognition: Recognition, expected: str | None = None
) -> NDArray[np.uint8]:
    """Draw the boxes of the words onto an image, and text and confidence on white below it.

    Args:
        crop: BGR uint8 [h, w, 3].
        recognition: the result of the image.
        expected: what should have been read, where something else was.

    Returns:
        BGR uint8 [h, w, 3]; a very large image is scaled down.
    """
    from PIL import Image, ImageDraw

    height, width = crop.shape[:2]
    scale = min(1.0, _MOST_WIDTH_PX / width, _MOST_HEIGHT_PX / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size != (width, height):
        crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    text, caption = f"error: {recognition.error}", ""
    if recognition.error is None:
        text, caption = recognition.text, f"{recognition.confidence:.3f}"
    if expected is not None:
        caption += f"   misread, expected: {printable(expected)}"
    text = printable(text)
    font = font_for(text + caption)
    # The canvas is as wide as the widest of image, text and confidence, within limits.
    text_width = round(max(font.getlength(text), font.getlength(caption))) + 2 * _MARGIN_PX
    canvas_size = (
        min(max(size[0], text_width, _LEAST_WIDTH_PX), _MOST_WIDTH_PX),
        size[1] + 2 * TEXT_PX + 4 * _MARGIN_PX,
    )
    canvas = Image.new("RGB", canvas_size, _PAPER)
    canvas.paste(Image.fromarray(np.ascontiguousarray(crop[:, :, ::-1])), (0, 0))
    pen = ImageDraw.Draw(canvas)
    for word in recognition.words:
        pen.rectangle([round(edge * scale) for edge in word.box], outline=_BOX)
    pen.text((_MARGIN_PX, size[1] + _MARGIN_PX), text, fill=_INK, font=font)
    below = size[1] + TEXT_PX + 3 * _MARGIN_PX
    pen.text((_MARGIN_PX, below), caption, fill=_BOX if expected is None else _WRONG, font=font)
    return np.ascontiguousarray(np.asarray(canvas)[:, :, ::-1])
