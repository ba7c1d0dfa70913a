"""Sets lines, paragraphs and columns on a sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from training.data.synthetic.pages.faces import Family, Nature, Typefaces
from training.data.synthetic.pages.pen import Color, Pen
from training.data.synthetic.pages.sheet import Sheet
from training.data.synthetic.pages.wording import WITHOUT_SPACES, Wording

Align = Literal["left", "justify", "center", "right"]
SHARES: dict[str, float] = {"left": 0.0, "justify": 0.0, "center": 0.5, "right": 1.0}
UNDERLINED_SHARE = 0.05
WIDEST_GAP_EM = 1.1
"""A justified line keeps its natural gaps where they would become wider."""


@dataclass(frozen=True)
class Area:
    """A rectangle of a sheet, px."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Return the width."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Return the height."""
        return self.bottom - self.top

    @property
    def rounded(self) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom in whole px."""
        return round(self.left), round(self.top), round(self.right), round(self.bottom)

    def columns(self, count: int, gap: float) -> list[Area]:
        """Split into columns of equal width."""
        width = (self.width - (count - 1) * gap) / count
        lefts = [self.left + place * (width + gap) for place in range(count)]
        return [replace(self, left=left, right=left + width) for left in lefts]


class Typesetter:
    """Everything that the pages of all kinds are set with.

    Args:
        sheet: to write on.
        em: size of the body type, px.
        rng: the only source of chance.
        faces: to choose families from.
        wording: of the texts.
        difficulty: 0 plain print .. 1.
        nature: of the body type.
    """

    def __init__(
        self,
        sheet: Sheet,
        em: float,
        rng: np.random.Generator,
        faces: Typefaces,
        wording: Wording,
        difficulty: float,
        nature: Nature = "any",
    ) -> None:
        self.sheet = sheet
        self.rng = rng
        self.wording = wording
        self.faces = faces
        self.difficulty = difficulty
        self.family = faces.choose(rng, wording.script, nature)
        is_same = nature != "any" or rng.random() < 0.6
        self.display = self.family if is_same else faces.choose(rng, wording.script)
        self._spread = 0.16 * min(1.0, 2 * difficulty)
        if self.family.nature == "even":
            # Printers of receipts set the same letters narrow, wide and tall.
            self._spread *= 1.5
        self._stretch = self._draw_stretch()
        self.body = self.pen(em)
        self.em = self.body.size
        self.leading = self.em * rng.uniform(1.15, 1.75)

    def chance(self, probability: float) -> bool:
        """Draw whether something happens."""
        return bool(self.rng.random() < probability)

    def between(self, least: float, most: float) -> float:
        """Draw a number, all equally likely."""
        return float(self.rng.uniform(least, most))

    def count(self, fewest: int, most: int) -> int:
        """Draw a whole number, both ends included."""
        return int(self.rng.integers(fewest, most + 1))

    def pen(
        self,
        size: float,
        is_bold: bool = False,
        is_slanted: bool = False,
        family: Family | None = None,
        color: Color | None = None,
    ) -> Pen:
        """Choose a pen; those of one family are alike on a page."""
        rng = self.rng
        is_body = family is None or family is self.family
        family = self.family if family is None else family
        face = family.face(rng, is_bold)
        slant = 0.0
        if is_slanted:
            slanted = family.slanted_face(rng)
            if slanted is not None:
                face = slanted
            else:
                slant = 0.2
        weight = 0.0
        if self.difficulty and rng.random() < 0.35:
            weight = float(rng.uniform(-0.2, 0.4) if size < 16 else rng.uniform(-0.4, 0.8))
        if is_bold and not family.bold:
            weight = max(weight, min(1.0, size / 24))
        return Pen(
            face,
            max(6, round(size)),
            self._stretch if is_body else self._draw_stretch(),
            weight=weight,
            slant=slant,
            color=color,
        )

    def _draw_stretch(self) -> float:
        return float(np.exp(np.clip(self.rng.normal(-0.5, 1.1), -2.4, 1.8) * self._spread))

    def heading(self, size: float) -> Pen:
        """Choose the pen of a heading."""
        pen = self.pen(size, is_bold=self.chance(0.65), family=self.display)
        return replace(pen, tracking=self.between(0.03, 0.2)) if self.chance(0.12) else pen

    def line(
        self, text: str, pen: Pen, left: float, right: float, y: float, align: Align = "left"
    ) -> float:
        """Write one line, cut to the width; return its end, px."""
        text = self.cut(pen.drawable(text), pen, right - left)
        share = SHARES[align]
        end = self.sheet.write(text, pen, left + share * (right - left), y, share)
        if text and self.rng.random() < UNDERLINED_SHARE * self.difficulty:
            below = y + self.between(0.08, 0.25) * pen.size
            thickness = max(1, round(0.05 * pen.size))
            self.sheet.rule(end - pen.width(text), below, end, below, thickness)
        return end

    def cut(self, text: str, pen: Pen, width: float) -> str:
        """Leave out what is too much for a width."""
        needed = pen.width(text) if text else 0.0
        if needed <= width:
            return text
        return text[: max(0, math.floor(len(text) * width / needed) - 1)].strip()

    def paragraph(
        self,
        words: Sequence[str],
        pen: Pen,
        area: Area,
        align: Align = "left",
        leading: float | None = None,
        indent: float = 0.0,
    ) -> float:
        """Write words in lines from the top of an area until they or the area end.

        Args:
            leading: from baseline to baseline, px.
            indent: of the first line, px.

        Returns:
            The y below the last line.
        """
        leading = self.leading if leading is None else leading
        line: list[tuple[str, float]] = []
        y, used = area.top + 0.8 * leading, 0.0
        room = area.width - indent
        space = pen.space
        for word, width in self._fitted(words, pen, area.width):
            if line and used + space + width > room:
                self._set(line, pen, area.right - room, area.right, y, align)
                y, line, used, room = y + leading, [], 0.0, area.width
                if y > area.bottom:
                    return y - 0.8 * leading
            used += width + (space if line else 0.0)
            line.append((word, width))
        if line:
            self._set(line, pen, area.right - room, area.right, y, _last(align))
        return y + 0.2 * leading

    def _fitted(self, words: Sequence[str], pen: Pen, room: float) -> list[tuple[str, float]]:
        """Measure words; those that are too long for a line are cut."""
        fitted: list[tuple[str, float]] = []
        for word in words:
            drawable = pen.drawable(word)
            pieces = [drawable]
            if self.wording.script in WITHOUT_SPACES:
                step = max(1, math.floor(room / pen.size) - 1)
                pieces = [drawable[at : at + step] for at in range(0, len(drawable), step)]
            cut = [self.cut(piece, pen, room) for piece in pieces]
            fitted += [(piece, pen.width(piece)) for piece in cut if piece]
        return fitted

    def _set(
        self,
        line: Sequence[tuple[str, float]],
        pen: Pen,
        left: float,
        right: float,
        y: float,
        align: Align,
    ) -> None:
        words = [word for word, _ in line]
        total = sum(width for _, width in line)
        gap = (right - left - total) / max(1, len(words) - 1)
        if align != "justify" or len(words) == 1 or gap > WIDEST_GAP_EM * pen.size:
            share = SHARES[align]
            self.sheet.write(" ".join(words), pen, left + share * (right - left), y, share)
            return
        starts = left + np.cumsum([0.0, *(width + gap for _, width in line[:-1])])
        self.sheet.write_words(words, starts.tolist(), pen, y)

    def prose(
        self, area: Area, align: Align, pen: Pen | None = None, leading: float | None = None
    ) -> float:
        """Fill an area with paragraphs; return the y below the last."""
        pen = self.body if pen is None else pen
        leading = self.leading if leading is None else leading
        indent = self.between(1, 3) * self.em if self.chance(0.5) else 0.0
        gap = 0.0 if indent and self.chance(0.8) else self.between(0.3, 1.0) * leading
        y = area.top
        while y + 1.2 * leading < area.bottom:
            words = [word for _ in range(self.count(1, 7)) for word in self.wording.sentence()]
            y = self.paragraph(words, pen, replace(area, top=y), align, leading, indent) + gap
        return y


def _last(align: Align) -> Align:
    return "left" if align == "justify" else align
