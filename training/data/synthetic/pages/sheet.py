"""A sheet of paper with its ink, and the boxes of its texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.pages.pen import Color, Glyphs, Mask, Pen

Points = NDArray[np.float64]

MARGIN_EM = 0.08
"""Between ink and box, as people draw boxes around receipts' texts."""

LEAST_GAP_EM = 0.6
"""Texts that would stand closer to each other would be one."""

LEAST_HEIGHT_EM = 0.45
"""No box is flatter, be the text a hyphen alone."""


@dataclass(frozen=True)
class TextBox:
    """A text and where it stands.

    Args:
        text: what is written there.
        top, bottom: edges of the box along the writing, float64 [P, 2] each, (x, y) in px.
        is_readable: whether a person could read it.
    """

    text: str
    top: Points
    bottom: Points
    is_readable: bool = True

    @property
    def polygon(self) -> Points:
        """Corners clockwise from the upper left: float64 [2P, 2]."""
        return np.concatenate([self.top, self.bottom[::-1]])


class Sheet:
    """A page before it is photographed.

    Args:
        width, height: px.
        paper, ink: colours, BGR.

    Attributes:
        text: coverage by texts, all of it in boxes; uint8 [h, w].
        marks: coverage by lines, stamps and all else without a box; uint8 [h, w].
        boxes: of the texts.
    """

    def __init__(self, width: int, height: int, paper: Color, ink: Color) -> None:
        self.width = width
        self.height = height
        self.paper_color = paper
        self.ink_color = ink
        self.text: Mask = np.zeros((height, width), np.uint8)
        self.marks: Mask = np.zeros((height, width), np.uint8)
        self.boxes: list[TextBox] = []
        self._paper: NDArray[np.uint8] | None = None
        self._colors: NDArray[np.uint8] | None = None

    @property
    def paper(self) -> NDArray[np.uint8] | None:
        """Colours of the paper where it is not plain: BGR uint8 [h, w, 3]."""
        return self._paper

    @property
    def colors(self) -> NDArray[np.uint8] | None:
        """Colours of the ink where there are several: BGR uint8 [h, w, 3]."""
        return self._colors

    def write(self, text: str, pen: Pen, x: float, baseline: float, align: float = 0.0) -> float:
        """Write a text if it fits on the sheet, clear of other texts.

        Args:
            x: of its start; of its middle where `align` is 0.5, of its end where it is 1.

        Returns:
            The x at which it ends, px; where it would have where it does not fit.
        """
        text = pen.drawable(text)
        glyphs = pen.glyphs(text) if text else None
        if glyphs is None:
            return x
        start = x - align * glyphs.advance
        self.place([(text, glyphs, start)], pen, baseline)
        return start + glyphs.advance

    def write_words(self, words: Sequence[str], xs: Sequence[float], pen: Pen, y: float) -> None:
        """Write the words of one line, in one box, each from its own x."""
        drawn = [(word, pen.glyphs(word), x) for word, x in zip(words, xs, strict=True) if word]
        self.place([(word, glyphs, x) for word, glyphs, x in drawn if glyphs is not None], pen, y)

    def place(self, parts: Sequence[tuple[str, Glyphs, float]], pen: Pen, baseline: float) -> bool:
        """Place drawn texts on one baseline in one box; tell whether there was room."""
        if not parts:
            return False
        line = round(baseline)
        lefts = [round(x) + glyphs.left for _, glyphs, x in parts]
        spans = [(at, at + part[1].mask.shape[1]) for at, part in zip(lefts, parts, strict=True)]
        left, right = min(at for at, _ in spans), max(end for _, end in spans)
        top = min(line + glyphs.top for _, glyphs, _ in parts)
        bottom = max(line + glyphs.top + glyphs.mask.shape[0] for _, glyphs, _ in parts)
        box = self._box(left, top, right, bottom, line, pen)
        x0, y0, x1, y1 = (int(value) for value in (box[0] - 1, box[1] - 1, box[2] + 2, box[3] + 2))
        if x0 < 0 or y0 < 0 or x1 > self.width or y1 > self.height:
            return False
        gap = round(LEAST_GAP_EM * pen.size)
        if self.text[top:bottom, max(0, left - gap) : right + gap].any():
            return False
        for at, (_, glyphs, _) in zip(lefts, parts, strict=True):
            height, width = glyphs.mask.shape
            place = (slice(line + glyphs.top, line + glyphs.top + height), slice(at, at + width))
            np.maximum(self.text[place], glyphs.mask, out=self.text[place])
        if pen.color is not None:
            self.color((x0, y0, x1, y1), pen.color)
        upper = np.array([(box[0], box[1]), (box[2], box[1])])
        lower = np.array([(box[0], box[3]), (box[2], box[3])])
        self.boxes.append(TextBox(" ".join(text for text, _, _ in parts), upper, lower))
        return True

    def _box(
        self, left: int, top: int, right: int, bottom: int, baseline: int, pen: Pen
    ) -> tuple[float, float, float, float]:
        """Return the box around ink: left, top, right, bottom."""
        margin = 0.5 + MARGIN_EM * pen.size
        least = LEAST_HEIGHT_EM * pen.size
        if bottom - top < least:
            middle = (top + bottom) / 2
            return left - margin, middle - least / 2 - 1, right + margin, middle + least / 2 + 1
        return left - margin, top - margin, right + margin, bottom + margin

    def color(self, place: tuple[int, int, int, int], color: Color) -> None:
        """Give the ink within left, top, right, bottom a colour."""
        left, top, right, bottom = place
        if self._colors is None:
            self._colors = np.empty((self.height, self.width, 3), np.uint8)
            self._colors[:] = self.ink_color
        self._colors[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = color

    def fill(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        """Colour the paper within a rectangle."""
        first, last = (round(left), round(top)), (round(right) - 1, round(bottom) - 1)
        cv2.rectangle(self.canvas(), first, last, color, cv2.FILLED)

    def canvas(self) -> NDArray[np.uint8]:
        """Return the paper to be painted on: BGR uint8 [h, w, 3]."""
        if self._paper is None:
            self._paper = np.empty((self.height, self.width, 3), np.uint8)
            self._paper[:] = self.paper_color
        return self._paper

    def trim(self, height: int) -> None:
        """Cut off what is below a height, px; no text may stand there."""
        self.height = min(height, self.height)
        self.text, self.marks = self.text[: self.height], self.marks[: self.height]
        if self._paper is not None:
            self._paper = self._paper[: self.height]
        if self._colors is not None:
            self._colors = self._colors[: self.height]

    def rule(self, x0: float, y0: float, x1: float, y1: float, thickness: int = 1) -> None:
        """Draw a line."""
        first, last = (round(x0), round(y0)), (round(x1), round(y1))
        cv2.line(self.marks, first, last, 255, thickness)

    def frame(self, x0: float, y0: float, x1: float, y1: float, thickness: int = 1) -> None:
        """Draw the outline of a rectangle."""
        cv2.rectangle(self.marks, (round(x0), round(y0)), (round(x1), round(y1)), 255, thickness)

    def dashes(self, x0: float, x1: float, y: float, dash: float, thickness: int = 1) -> None:
        """Draw a level line of dashes `dash` px long, or of dots where that is the thickness."""
        step = max(2.0, 1.8 * dash)
        for start in np.arange(x0, x1 - dash, step):
            self.rule(float(start), y, float(start) + max(0.0, dash - 1), y, thickness)
