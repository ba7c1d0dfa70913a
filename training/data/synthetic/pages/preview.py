"""A picture of pages with their boxes, for a person to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from training.data.synthetic.degrade import BgrImage
from training.data.synthetic.pages.render import Page

CELL_PX = 800
MARGIN_PX = 6
READABLE_BGR = (0, 0, 255)
IGNORED_BGR = (255, 100, 0)


def page_sheet(pages: Sequence[Page], columns: int = 4) -> BgrImage:
    """Lay pages out in a grid, with their boxes; ignored texts have blue ones.

    Returns:
        BGR uint8 [h, w, 3].
    """
    side = CELL_PX + MARGIN_PX
    rows = math.ceil(len(pages) / columns)
    sheet = np.full((rows * side, min(columns, len(pages)) * side, 3), 90, np.uint8)
    for number, page in enumerate(pages):
        picture = page.image.copy()
        for box in page.boxes:
            corners = np.rint(box.polygon).astype(np.int32)
            color = READABLE_BGR if box.is_readable else IGNORED_BGR
            cv2.polylines(picture, [corners], True, color, 1)
        scale = CELL_PX / max(picture.shape[:2])
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        top, left = number // columns * side, number % columns * side
        sheet[top : top + size[1], left : left + size[0]] = shown
    return sheet
