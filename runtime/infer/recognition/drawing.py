"""Draws a line with its recognised text below it, for people to look through."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import EngineError
from runtime.infer.table import printable
from runtime.recognition.result import Recognition

_FONT_FOLDERS = (
    "~/.fonts",
    "~/.local/share/fonts",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/Library/Fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
_FAVOURITES = ("DejaVuSans.", "NotoSans-Regular", "NotoSansCJK", "Arial")
_NO_CHARACTER = "\U0010ffff"

_TEXT_PX, _MARGIN_PX = 24, 8
_LEAST_WIDTH_PX, _MOST_WIDTH_PX, _MOST_HEIGHT_PX = 240, 4000, 400
_INK, _BOX, _PAPER = (0, 0, 0), (200, 80, 0), (255, 255, 255)


def require_pillow() -> None:
    """Check that texts can be drawn.

    Raises:
        EngineError: if Pillow is not installed.
    """
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise EngineError(
            "text is drawn by Pillow, which is not installed: pip install 'distilrec[visualize]'"
        ) from error


def drawing(crop: NDArray[np.uint8], recognition: Recognition) -> NDArray[np.uint8]:
    """Draw the boxes of the words onto an image, and text and confidence on white below it.

    Args:
        crop: BGR uint8 [h, w, 3].
        recognition: the result of the image.

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
    text = printable(text)
    font = _font_for(text)
    # The canvas is as wide as the widest of image, text and confidence, within limits.
    text_width = round(max(font.getlength(text), font.getlength(caption))) + 2 * _MARGIN_PX
    canvas_size = (
        min(max(size[0], text_width, _LEAST_WIDTH_PX), _MOST_WIDTH_PX),
        size[1] + 2 * _TEXT_PX + 4 * _MARGIN_PX,
    )
    canvas = Image.new("RGB", canvas_size, _PAPER)
    canvas.paste(Image.fromarray(np.ascontiguousarray(crop[:, :, ::-1])), (0, 0))
    pen = ImageDraw.Draw(canvas)
    for word in recognition.words:
        pen.rectangle([round(edge * scale) for edge in word.box], outline=_BOX)
    pen.text((_MARGIN_PX, size[1] + _MARGIN_PX), text, fill=_INK, font=font)
    below = size[1] + _TEXT_PX + 3 * _MARGIN_PX
    pen.text((_MARGIN_PX, below), caption, fill=_BOX, font=font)
    return np.ascontiguousarray(np.asarray(canvas)[:, :, ::-1])


def _font_for(text: str) -> Any:
    """Return the first font that has all characters of a text, else the one that has most."""
    fonts = _fonts()
    wanted = set(text) - {" "}
    best, least_missing = fonts[0], len(wanted) + 1
    for font in fonts:
        missing = sum(not _has(font, character) for character in wanted)
        if missing < least_missing:
            best, least_missing = font, missing
        if not missing:
            break
    return best


@cache
def _has(font: Any, character: str) -> bool:
    """Tell whether a font has a character: it is drawn unlike a character that no font has."""
    drawn, absent = font.getmask(character), font.getmask(_NO_CHARACTER)
    return drawn.size != absent.size or bytes(drawn) != bytes(absent)


@cache
def _fonts() -> list[Any]:
    """Return all fonts of this system, those that have many characters first, Pillow's own last."""
    from PIL import ImageFont

    files = [
        path
        for folder in _FONT_FOLDERS
        for path in sorted(Path(folder).expanduser().rglob("*"))
        if path.suffix.lower() in (".ttf", ".ttc", ".otf")
    ]
    files.sort(key=lambda path: not path.name.startswith(_FAVOURITES))
    fonts = []
    for path in files:
        try:
            fonts.append(ImageFont.truetype(os.fspath(path), _TEXT_PX))
        except OSError:
            continue  # not a font that Pillow can read
    return [*fonts, ImageFont.load_default(_TEXT_PX)]
