"""Writes texts as ink: one face at one size, with the width and weight that a printer gave it."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.data.synthetic.fonts import Face, load_font

Mask = NDArray[np.uint8]
Color = tuple[int, int, int]

# fmt: off
_PLAIN = {
    "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "\u0131": "i",
}
# fmt: on
"""Letters that Unicode does not take apart."""


@dataclass(frozen=True)
class Glyphs:
    """The ink of a text.

    Args:
        mask: uint8 [h, w], 255 full ink, cut to the ink.
        left, top: of the mask from the start of the baseline, px.
        advance: width that the text takes up, px.
    """

    mask: Mask
    left: int
    top: int
    advance: float


@dataclass(frozen=True)
class Pen:
    """A way of writing: character by character, each drawn once.

    Args:
        face: the font face.
        size: em, px.
        stretch: width of letters by their natural width.
        tracking: additional space after each character, em.
        weight: px by which strokes get thicker, or thinner where negative.
        slant: px that letters lean to the right per px of height.
        dots: distance of the dots of a matrix printer, px; 0 for whole strokes.
        unevenness: 0 .. 1, by how much the types of a worn typewriter are high, low and faint.
        color: BGR, or None for the ink of the page.
    """

    face: Face
    size: int
    stretch: float = 1.0
    tracking: float = 0.0
    weight: float = 0.0
    slant: float = 0.0
    dots: int = 0
    unevenness: float = 0.0
    color: Color | None = None

    def sized(self, factor: float) -> Pen:
        """Return the same pen, larger or smaller."""
        return replace(self, size=max(5, round(self.size * factor)))

    def colored(self, color: Color | None) -> Pen:
        """Return the same pen with another colour."""
        return replace(self, color=color)

    @cached_property
    def space(self) -> float:
        """Width of the space between words, px."""
        return self.width(" ")

    def drawable(self, text: str) -> str:
        """Return a text as the face can draw it, without spaces at the ends or twice in a row.

        A letter that it does not have stands without its marks, so that words stay whole; what it
        has in no form is left out.
        """
        known = self.face.characters
        kept = "".join(
            char if char in known or char == " " else _plain_where_known(char, known)
            for char in text
        )
        return " ".join(kept.split())

    def width(self, text: str) -> float:
        """Measure the space that a text takes up along its line, px."""
        return sum(self._glyph(character)[3] for character in text)

    def glyphs(self, text: str) -> Glyphs | None:
        """Draw a text; None where it has no ink."""
        x, parts = 0.0, []
        for number, character in enumerate(text):
            mask, left, top, advance = self._glyph(character)
            if mask.size and self.unevenness:
                # The same every time, so that a text is drawn alike wherever it is.
                chance = (number * 7919 + ord(character) * 4243) % 1009 / 1009
                top += round((chance - 0.5) * 0.14 * self.unevenness * self.size)
                mask = (mask * (1 - 0.5 * self.unevenness * (chance * 17 % 1))).astype(np.uint8)
            if mask.size:
                parts.append((mask, round(x) + left, top))
            x += advance
        if not parts:
            return None
        left, top = min(at for _, at, _ in parts), min(at for _, _, at in parts)
        right = max(at + mask.shape[1] for mask, at, _ in parts)
        bottom = max(at + mask.shape[0] for mask, _, at in parts)
        ink = np.zeros((bottom - top, right - left), np.uint8)
        for mask, at_x, at_y in parts:
            height, width = mask.shape
            place = ink[at_y - top : at_y - top + height, at_x - left : at_x - left + width]
            np.maximum(place, mask, out=place)
        return Glyphs(ink, left, top, x)

    @cached_property
    def _glyphs(self) -> dict[str, tuple[Mask, int, int, float]]:
        return {}

    def _glyph(self, character: str) -> tuple[Mask, int, int, float]:
        """Return ink, its left and top from the baseline and the advance; drawn once."""
        glyph = self._glyphs.get(character)
        if glyph is None:
            glyph = self._glyphs[character] = self._draw(character)
        return glyph

    def _draw(self, character: str) -> tuple[Mask, int, int, float]:
        font = load_font(self.face.path, self.face.index, self.size, False)
        is_space = character == " "
        is_drawn = not is_space or " " in self.face.characters
        natural = font.getlength(character) if is_drawn else 0.3 * self.size
        advance = (natural + self.tracking * self.size) * self.stretch
        if is_space:
            return np.zeros((0, 0), np.uint8), 0, 0, advance
        left, top, right, bottom = font.getbbox(character, anchor="ls")
        margin = 2 + math.ceil(abs(self.weight))
        origin = (margin - math.floor(left), margin - math.floor(top))
        width, height = math.ceil(right - left) + 2 * margin, math.ceil(bottom - top) + 2 * margin
        image = Image.new("L", (width, height))
        ImageDraw.Draw(image).text(origin, character, fill=255, font=font, anchor="ls")
        mask, start = np.asarray(image), float(origin[0])
        if abs(self.stretch - 1) > 0.01:
            target = (max(1, round(width * self.stretch)), height)
            method = cv2.INTER_AREA if self.stretch < 1 else cv2.INTER_LINEAR
            mask = cv2.resize(mask, target, interpolation=method).astype(np.uint8, copy=False)
            start *= self.stretch
        mask, start = self._styled(mask, start, origin[1])
        rows, columns = np.flatnonzero(mask.max(axis=1)), np.flatnonzero(mask.max(axis=0))
        if not rows.size:
            return np.zeros((0, 0), np.uint8), 0, 0, advance
        cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return cut, round(columns[0] - start), int(rows[0]) - origin[1], advance

    def _styled(self, mask: Mask, start: float, baseline: int) -> tuple[Mask, float]:
        """Change weight, slant and strokes; return the mask and where its line starts."""
        if self.weight:
            kernel = np.ones((2, 2) if abs(self.weight) <= 1 else (3, 3), np.uint8)
            changed = cv2.dilate(mask, kernel) if self.weight > 0 else cv2.erode(mask, kernel)
            share = min(1.0, abs(self.weight))
            mask = cv2.addWeighted(mask, 1 - share, changed, share, 0).astype(np.uint8, copy=False)
        if self.slant:
            height, width = mask.shape
            before = math.ceil(self.slant * (height - baseline)) if self.slant > 0 else 0
            lean = math.ceil(abs(self.slant) * height)
            matrix = np.array([(1, -self.slant, self.slant * baseline + before), (0, 1, 0)])
            mask = cv2.warpAffine(mask, matrix, (width + lean, height)).astype(np.uint8, copy=False)
            start += before
        if self.dots:
            columns = np.arange(mask.shape[1]) % self.dots != 0
            rows = np.arange(mask.shape[0]) % self.dots != 0
            mask = (mask * np.where(rows[:, np.newaxis] & columns, 1.0, 0.35)).astype(np.uint8)
        return mask, start


def _plain_where_known(letter: str, known: frozenset[str]) -> str:
    """Return a letter without its marks if all of that is known, else nothing."""
    plain = _PLAIN.get(letter) or unicodedata.normalize("NFD", letter)[0]
    return plain if letter.isalpha() and known.issuperset(plain) else ""
