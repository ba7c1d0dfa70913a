"""The layout of a line's ink: face, size, spacing, slant, rotation and the crop around it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from runtime.errors import DatasetError
from training.data.synthetic.fonts import Face, FontBook, load_font, needs_shaping

MIN_HEIGHT_PX = 18
MAX_HEIGHT_PX = 64
MAX_RATIO = 60.0
"""Longer lines are squeezed to this many heights."""

PROBE_SIZE_PX = 40
SIZES_PX = (12, 15, 19, 24, 30, 38, 48, 60, 76, 96)
"""Steps of a quarter, so that the last resize changes the size by an eighth at most."""

MAX_SOURCE_PX = 30_000
"""OpenCV warps no wider picture."""

MIN_WIDTH_EM = 0.1
X_HEIGHT_EM = 0.5
CAPITAL_HEIGHT_EM = 0.72
DESCENT_EM = 0.22

SAME_IN_BOTH_CASES = frozenset("cCoOsSuUvVwWxXzZ0öÖüÜ")
"""Latin letters that only their height tells apart."""

FIRST_GREEK = "\u0370"
"""From here on, Greek and Cyrillic, most small letters look like the capitals."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """Extent of a text in em, the baseline at 0, y down; before it is slanted and turned."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def corners(self) -> NDArray[np.float64]:
        """float64 [4, 2]: upper left, upper right, lower right, lower left."""
        return np.array(
            [
                (self.left, self.top),
                (self.right, self.top),
                (self.right, self.bottom),
                (self.left, self.bottom),
            ]
        )


@dataclass(frozen=True)
class Layout:
    """Everything that decides the shape of a line's image.

    Args:
        face: the font face.
        height_px: height of the image.
        box: extent of the text.
        tracking_em: additional space between characters.
        stretch: width factor of the letters.
        shear: px that a letter leans to the right per px of height.
        angle: rotation in radians, clockwise.
        margins: left, top, right, bottom margin in heights of the turned box; negative values cut.
    """

    face: Face
    height_px: int
    box: Box
    tracking_em: float
    stretch: float
    shear: float
    angle: float
    margins: tuple[float, float, float, float]

    def turned_corners(self) -> NDArray[np.float64]:
        """Return the corners of the box stretched, slanted and turned: float64 [4, 2], in em."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        matrix = np.array([(cosine, -sine), (sine, cosine)]) @ np.array(
            [(self.stretch, -self.shear), (0.0, 1.0)]
        )
        turned: NDArray[np.float64] = self.box.corners @ matrix.T
        return turned

    def extent(self, corners: NDArray[np.float64]) -> tuple[float, float]:
        """Return width and height in em of the image around turned corners, with margins."""
        width, height = corners.max(axis=0) - corners.min(axis=0)
        left, top, right, bottom = self.margins
        return width + height * (left + right), height * (1 + top + bottom)

    @property
    def ratio(self) -> float:
        """Width by height of the image, perspective aside."""
        width, height = self.extent(self.turned_corners())
        return min(width / height, MAX_RATIO)


FlatPen = Callable[[str, Layout, int], tuple[Mask, NDArray[np.float64]]]
"""Draws a text at a size in px: its ink, uint8 [h, w], and the box's corners in it, [4, 2]."""


def choose_layout(
    text: str, rng: np.random.Generator, fonts: FontBook, difficulty: float
) -> Layout:
    """Draw the layout of one line.

    Raises:
        DatasetError: if the text has no ink or no face draws all of it.
    """
    if not text or text.isspace():
        raise DatasetError(f"nothing to draw: expected a text with ink, got {text!r}")
    face = fonts.choose(text, rng)
    if face is None:
        raise DatasetError(
            f"no font draws {text!r}: expected one face with all of its characters, got none of "
            f"{len(fonts.faces)}; shorten the text or add fonts"
        )
    is_shaped = any(map(needs_shaping, text))
    tracking = 0.0
    if not is_shaped and rng.random() < 0.25 * difficulty + 0.05:
        # Letter-spaced titles are common, cramped lines rare and soon unreadable.
        tracking = float(rng.uniform(-0.04, 0.25)) if rng.random() < 0.8 else 0.4
    box = _measure(text, face, tracking, is_shaped, is_tight=rng.random() < 0.6)
    slack = 1.0 if difficulty > 0 else 0.0
    stretch = float(np.exp(rng.uniform(-0.25, 0.25) * min(1.0, 2 * difficulty)))
    shear = float(rng.uniform(-0.1, 0.3) * difficulty) if rng.random() < 0.3 * slack else 0.0
    width, height = (box.right - box.left) * stretch, box.bottom - box.top
    # A long line in a box cut by a detector is nearly level, or the box would hold its neighbours.
    steepest = min(math.radians(6 * difficulty), math.atan(0.4 * difficulty * height / width))
    return Layout(
        face=face,
        height_px=round(math.exp(rng.uniform(math.log(MIN_HEIGHT_PX), math.log(MAX_HEIGHT_PX)))),
        box=box,
        tracking_em=tracking,
        stretch=stretch,
        shear=shear,
        angle=float(rng.uniform(-steepest, steepest)),
        margins=_choose_margins(rng, difficulty),
    )


def _choose_margins(
    rng: np.random.Generator, difficulty: float
) -> tuple[float, float, float, float]:
    if difficulty == 0:
        return 0.15, 0.12, 0.15, 0.12
    tight = -0.03 * difficulty
    left, right = rng.uniform(tight, 0.15 + 0.45 * difficulty * rng.random(2))
    top, bottom = rng.uniform(tight, 0.08 + 0.3 * difficulty * rng.random(2))
    return float(left), float(top), float(right), float(bottom)


def _measure(text: str, face: Face, tracking: float, is_shaped: bool, is_tight: bool) -> Box:
    """Choose the crop of a text: tight around its ink, or as high as a line of print."""
    font = load_font(face.path, face.index, PROBE_SIZE_PX, is_shaped)
    bounds = font.getbbox(text, anchor="ls")
    left, top, right, bottom = (value / PROBE_SIZE_PX for value in bounds)
    right += tracking * (len(text) - 1)
    right = max(right, left + MIN_WIDTH_EM)
    if not is_tight:
        return Box(left, min(top, -CAPITAL_HEIGHT_EM - 0.06), right, max(bottom, DESCENT_EM))
    # Around a comma or a hyphen alone the crop keeps the height of a letter: a detector's box does
    # not reveal less, and without it the comma and the apostrophe would be the same picture.
    # Nor may it be tight around letters that look the same in both cases.
    is_ambiguous = all(
        character in SAME_IN_BOTH_CASES or character >= FIRST_GREEK
        for character in text
        if character.isalnum()
    )
    letter_height = CAPITAL_HEIGHT_EM if is_ambiguous else X_HEIGHT_EM
    return Box(left, min(top, -letter_height), right, max(bottom, 0.0))


def draw_ink(
    text: str,
    layout: Layout,
    rng: np.random.Generator,
    difficulty: float,
    draw_flat: FlatPen | None = None,
) -> Mask:
    """Draw the ink of a line in its place: 0 paper, 255 full ink; uint8 [height_px, width].

    The shape follows from the layout, and from a random perspective where `difficulty` > 0.

    Args:
        draw_flat: draws the text on a level baseline; None for plain print.
    """
    corners = layout.turned_corners()
    if difficulty > 0:
        height = layout.box.bottom - layout.box.top
        corners = corners + rng.uniform(-0.07, 0.07, size=(4, 2)) * (height * difficulty)
    width, height = layout.extent(corners)
    px_per_em = layout.height_px / height
    width_px = round(min(width / height, MAX_RATIO) * layout.height_px)
    sizes = [size for size in SIZES_PX if layout.box.right * size < MAX_SOURCE_PX] or SIZES_PX[:1]
    size_px = min(sizes, key=lambda size: abs(math.log(size / px_per_em)))
    drawn, source = (draw_flat or _draw_flat)(text, layout, size_px)
    turned_height = np.ptp(corners[:, 1])
    corner = corners.min(axis=0) - turned_height * np.array(layout.margins[:2])
    target = (corners - corner) * (width_px / width, px_per_em)
    # OpenCV puts coordinates at pixel centres.
    matrix = cv2.getPerspectiveTransform(
        (source - 0.5).astype(np.float32), (target - 0.5).astype(np.float32)
    )
    warped = cv2.warpPerspective(drawn, matrix, (max(width_px, 1), layout.height_px))
    return warped.astype(np.uint8, copy=False)


def _draw_flat(text: str, layout: Layout, size_px: int) -> tuple[Mask, NDArray[np.float64]]:
    """Draw the text on a level baseline; return it and the box's corners there, float64 [4, 2]."""
    is_shaped = any(map(needs_shaping, text))
    font = load_font(layout.face.path, layout.face.index, size_px, is_shaped)
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    tracking_px = layout.tracking_em * size_px
    margin = size_px // 2
    origin = (margin - int(left), margin - int(top))
    width = math.ceil(right - left + max(0.0, tracking_px) * len(text)) + 2 * margin
    height = math.ceil(bottom - top) + 2 * margin
    image = Image.new("L", (width, height))
    pen = ImageDraw.Draw(image)
    if tracking_px == 0:
        pen.text(origin, text, fill=255, font=font, anchor="ls")
    else:
        draw_spaced(pen, text, font, origin, tracking_px)
    ink_right = right + tracking_px * (len(text) - 1)
    corners = flat_corners((left, top, ink_right, bottom), layout, size_px)
    return np.asarray(image), corners + origin


def flat_corners(
    ink: tuple[float, float, float, float], layout: Layout, size_px: int
) -> NDArray[np.float64]:
    """Return the corners of a text's box in px, the baseline at 0: float64 [4, 2].

    Args:
        ink: left, top, right and bottom of the ink as it was drawn. Hinting makes small letters a
            little larger or smaller than measured: what counts is the ink.
        layout: has the box.
        size_px: em in px.
    """
    left, top, right, bottom = ink
    box = layout.box
    return Box(
        left,
        min(top, box.top * size_px),
        max(right, left + MIN_WIDTH_EM * size_px),
        max(bottom, box.bottom * size_px),
    ).corners


def draw_spaced(
    pen: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.FreeTypeFont,
    origin: tuple[int, int],
    tracking_px: float,
) -> None:
    """Draw a text with additional space after each character, its baseline at `origin`."""
    x, y = origin
    for position, character in enumerate(text):
        # The advance up to here, kerning included, as in the unspaced text.
        advance = font.getlength(text[:position]) if position else 0.0
        at = (x + round(advance + tracking_px * position), y)
        pen.text(at, character, fill=255, font=font, anchor="ls")
