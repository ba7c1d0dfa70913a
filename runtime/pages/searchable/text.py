"""Places the words of a page, unseen, where they are on it.

Each word is set at its own corner, in its own direction, as wide as it is; a space reaches to the
next word, so that what is marked has no holes. Words of a line with letters that are written from
the right are set from the left to the right of the page, as readers of PDF files expect it.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

from runtime.pages.formats.places import words_of
from runtime.pages.result import PageLine, PageText, PageWord
from runtime.pages.searchable.font import DESCENT, WIDTH, InvisibleFont

Matrix = tuple[float, float, float, float, float, float]
"""x' = a x + c y + e, y' = b x + d y + f."""

_LEAST_PX = 0.01
_FROM_THE_RIGHT = ("R", "AL")


def text_operators(page: PageText, to_points: Matrix, font: InvisibleFont) -> bytes:
    """Return the operators that set the text of a page.

    Args:
        page: its text.
        to_points: from px of the page to points of the PDF file.
        font: in which it is set; it learns the characters.
    """
    lines = [_line(line, to_points, font) for line in page.lines]
    body = "\n".join(line for line in lines if line)
    return f"q\nBT\n3 Tr\n{body}\nET\nQ\n".encode("ascii") if body else b""


def inverse(matrix: Sequence[float]) -> Matrix:
    """Return the way back.

    Raises:
        ZeroDivisionError: if there is none.
    """
    a, b, c, d, e, f = matrix
    area = a * d - b * c
    return (
        d / area,
        -b / area,
        -c / area,
        a / area,
        (c * f - d * e) / area,
        (b * e - a * f) / area,
    )


def _line(line: PageLine, to_points: Matrix, font: InvisibleFont) -> str:
    """Return the operators of a line's words and the spaces between them."""
    placed = [word for word in map(_Word, words_of(line)) if word.is_sound]
    if any(_is_from_the_right(word.text) for word in placed):
        placed.sort(key=lambda word: word.begin)
    parts = []
    for place, word in enumerate(placed):
        parts.append(word.operators(to_points, font))
        if place + 1 < len(placed):
            parts.append(word.space_up_to(placed[place + 1], font))
    return "\n".join(parts)


class _Word:
    """A word as a rectangle that may lean."""

    def __init__(self, word: PageWord) -> None:
        self.text = word.text
        self.is_sound = bool(word.text) and len(word.points) >= 4
        if not self.is_sound:
            return
        corners = word.points if len(word.points) == 4 else _rectangle(word)
        (x0, y0), (x1, y1), (x2, y2), (self._x, self._y) = corners
        length = math.hypot(x2 - self._x, y2 - self._y)
        self.is_sound = math.isfinite(length) and length > _LEAST_PX
        if not self.is_sound:
            return
        self._along = ((x2 - self._x) / length, (y2 - self._y) / length)
        self._up = (self._along[1], -self._along[0])
        self.width = length
        left = (x0 - self._x) * self._up[0] + (y0 - self._y) * self._up[1]
        right = (x1 - x2) * self._up[0] + (y1 - y2) * self._up[1]
        self._height = max((left + right) / 2, _LEAST_PX)
        self.begin = self._x * self._along[0] + self._y * self._along[1]

    def operators(self, to_points: Matrix, font: InvisibleFont) -> str:
        """Return what sets the word."""
        a, b, c, d, e, f = to_points
        base_x = self._x + self._up[0] * DESCENT * self._height
        base_y = self._y + self._up[1] * DESCENT * self._height
        (along_x, along_y), (up_x, up_y) = self._along, self._up
        matrix = (
            *(a * along_x + c * along_y, b * along_x + d * along_y),
            *(a * up_x + c * up_y, b * up_x + d * up_y),
            *(a * base_x + c * base_y + e, b * base_x + d * base_y + f),
        )
        text = self.text[::-1] if _is_from_the_right(self.text) else self.text
        return (
            f"/{font.name} {_number(self._height)} Tf "
            f"{_number(self._stretch(self.width, len(text)))} Tz "
            f"{' '.join(map(_number, matrix))} Tm <{font.encoded(text)}> Tj"
        )

    def space_up_to(self, following: _Word, font: InvisibleFont) -> str:
        """Return what sets a space that ends where the next word begins."""
        gap = max(following.begin - self.begin - self.width, _LEAST_PX * self._height)
        return f"{_number(self._stretch(gap, 1))} Tz <{font.encoded(' ')}> Tj"

    def _stretch(self, width: float, count: int) -> float:
        """Return how wide characters are set, in percent, for so many to fill a width."""
        return 100 * width / (count * WIDTH * self._height)


def _rectangle(word: PageWord) -> tuple[tuple[float, float], ...]:
    """Return the upright rectangle around a word with more corners than four."""
    xs, ys = [x for x, _ in word.points], [y for _, y in word.points]
    left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _is_from_the_right(text: str) -> bool:
    """Tell whether a text has a letter that is written from the right to the left."""
    return any(unicodedata.bidirectional(character) in _FROM_THE_RIGHT for character in text)


def _number(value: float) -> str:
    """Return a number as PDF writes it, which has no exponents."""
    return f"{value:.4f}".rstrip("0").rstrip(".") if math.isfinite(value) else "0"
