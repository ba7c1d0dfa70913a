"""A contact sheet: synthetic lines with their labels, for a person to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from training.data.synthetic.degrade import BgrImage
from training.data.synthetic.fonts import Face, FontBook, load_font, needs_shaping

CELL_WIDTH_PX = 360
CELL_HEIGHT_PX = 92
LABEL_SIZE_PX = 15
MARGIN_PX = 6


def contact_sheet(
    lines: Sequence[tuple[BgrImage, str]], fonts: FontBook, columns: int = 4
) -> BgrImage:
    """Lines in a grid, each at its own size, or shrunk to its cell, above its label.

    Args:
        lines: pictures, BGR uint8 [h, w, 3], and their texts.
        fonts: faces for the labels; a label's characters that no one face has are left out.

    Returns:
        BGR uint8 [h, w, 3].
    """
    rows = math.ceil(len(lines) / columns)
    sheet = Image.new("RGB", (columns * CELL_WIDTH_PX, rows * CELL_HEIGHT_PX), (226, 232, 236))
    pen = ImageDraw.Draw(sheet)
    for number, (image, text) in enumerate(lines):
        left = number % columns * CELL_WIDTH_PX + MARGIN_PX
        top = number // columns * CELL_HEIGHT_PX + MARGIN_PX
        picture = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        picture.thumbnail((CELL_WIDTH_PX - 2 * MARGIN_PX, 64))
        sheet.paste(picture, (left, top))
        face = _plainest_face(text, fonts)
        is_shaped = any(map(needs_shaping, text))
        font = load_font(face.path, face.index, LABEL_SIZE_PX, is_shaped)
        at = (left, top + picture.height + LABEL_SIZE_PX)
        pen.text(at, text, fill=(0, 70, 160), font=font, anchor="ls")
    return cv2.cvtColor(np.asarray(sheet), cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)


def _plainest_face(text: str, fonts: FontBook) -> Face:
    """Of the faces that draw most of the text the one with the most characters.

    Among equals the one with the shortest file name: regular weights carry no `-BoldOblique`.
    """
    needed = frozenset(text)

    def rank(face: Face) -> tuple[int, int, int, str]:
        drawn = len(face.characters & needed)
        return -drawn, -len(face.characters), len(Path(face.path).name), face.path

    return min(fonts.faces, key=rank)
