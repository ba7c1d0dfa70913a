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
PICTURE_HEIGHT_PX = 64
LABEL_SIZE_PX = 15
MARGIN_PX = 6


def contact_sheet(
    lines: Sequence[tuple[BgrImage, str]],
    fonts: FontBook,
    columns: int = 4,
    cell_width_px: int = CELL_WIDTH_PX,
) -> BgrImage:
    """Lay lines out in a grid, each above its label, at its own size or shrunk to its cell.

    Args:
        lines: pictures, BGR uint8 [h, w, 3], and their labels, which may have several lines.
        fonts: faces for the labels; a label's characters that no one face has are left out.
        columns: of the grid.
        cell_width_px: of one cell.

    Returns:
        BGR uint8 [h, w, 3].
    """
    num_label_lines = max(label.count("\n") + 1 for _, label in lines)
    row_height_px = LABEL_SIZE_PX + MARGIN_PX
    cell_height_px = PICTURE_HEIGHT_PX + num_label_lines * row_height_px + MARGIN_PX
    rows = math.ceil(len(lines) / columns)
    size = (columns * cell_width_px, rows * cell_height_px)
    sheet = Image.new("RGB", size, (226, 232, 236))
    pen = ImageDraw.Draw(sheet)
    for number, (image, label) in enumerate(lines):
        left = number % columns * cell_width_px + MARGIN_PX
        top = number // columns * cell_height_px + MARGIN_PX
        picture = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        picture.thumbnail((cell_width_px - 2 * MARGIN_PX, PICTURE_HEIGHT_PX))
        sheet.paste(picture, (left, top))
        for row, text in enumerate(label.split("\n")):
            face = _plainest_face(text, fonts)
            is_shaped = any(map(needs_shaping, text))
            font = load_font(face.path, face.index, LABEL_SIZE_PX, is_shaped)
            at = (left, top + picture.height + LABEL_SIZE_PX + row * row_height_px)
            pen.text(at, text, fill=(0, 70, 160), font=font, anchor="ls")
    return cv2.cvtColor(np.asarray(sheet), cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)


def _plainest_face(text: str, fonts: FontBook) -> Face:
    """Return, of the faces that draw most of the text, the one with the most characters.

    Among equals the one with the shortest file name: regular weights carry no `-BoldOblique`.
    """
    needed = frozenset(text)

    def rank(face: Face) -> tuple[int, int, int, str]:
        drawn = len(face.characters & needed)
        return -drawn, -len(face.characters), len(Path(face.path).name), face.path

    return min(fonts.faces, key=rank)
