"""Pages whose order of reading is known, as boxes of lines."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence

from runtime.pages.result import PageLine, Points

HEIGHT, PITCH = 20.0, 30.0
Box = tuple[float, float, float]
"""Left and right end and upper side of a line."""


def turned(points: Points, angle: float) -> Points:
    """Turn corners clockwise about the origin, as seen where y points down."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return tuple((x * cosine - y * sine, x * sine + y * cosine) for x, y in points)


def line_of(number: int, box: Box, height: float = HEIGHT) -> PageLine:
    """Make a line whose text is its place in the order of reading."""
    left, right, top = box
    corners = ((left, top), (right, top), (right, top + height), (left, top + height))
    return PageLine(text=str(number), confidence=1.0, points=corners)


def page_of(boxes: Iterable[Box], angle: float = 0.0, seed: int = 1) -> list[PageLine]:
    """Return lines in an order of their own, on a page that is to be turned by `angle`."""
    lines = []
    for number, box in enumerate(boxes):
        line = line_of(number, box)
        points = turned(line.points, -angle)
        lines.append(PageLine(text=line.text, confidence=1.0, points=points))
    random.Random(seed).shuffle(lines)
    return lines


def paragraph(
    left: float, width: float, top: float, count: int, seed: int = 0, pitch: float = PITCH
) -> list[Box]:
    """Return lines of running text, every sixth the last of a paragraph."""
    rng = random.Random(seed)
    return [
        (
            left,
            left + width * (rng.uniform(0.2, 0.9) if number % 6 == 5 else rng.uniform(0.95, 1.0)),
            top + number * pitch,
        )
        for number in range(count)
    ]


def table(lefts: Sequence[float], widths: Sequence[float], top: float, count: int) -> list[Box]:
    """Return the cells of a table row by row, each as wide as what stands in it."""
    rng = random.Random(7)
    return [
        (left, left + width * rng.uniform(0.5, 1.0), top + number * PITCH)
        for number in range(count)
        for left, width in zip(lefts, widths, strict=True)
    ]


def newspaper() -> list[Box]:
    """Three columns on common lines below a heading."""
    columns = (paragraph(50 + 330 * number, 300, 200, 30, number) for number in range(3))
    return [(200, 850, 50), (300, 700, 110), *(box for column in columns for box in column)]


def heading_over_two_of_three() -> list[Box]:
    """A heading over the first two of three columns."""
    first, second = paragraph(50, 300, 110, 20), paragraph(380, 300, 110, 20, 1)
    return [(60, 660, 50), *first, *second, *paragraph(710, 300, 50, 22, 2)]


def three_above_two() -> list[Box]:
    """Three columns, and two below a heading between."""
    above = (paragraph(50 + 330 * number, 300, 50, 12, number) for number in range(3))
    below = (paragraph(50 + 500 * number, 460, 520, 12, number) for number in range(2))
    columns = [box for column in above for box in column]
    return [*columns, (100, 900, 450), *(box for column in below for box in column)]


def table_on_a_page() -> list[Box]:
    """Text, a table of four columns, and text."""
    return [
        *paragraph(50, 900, 50, 6),
        *table((60, 300, 550, 800), (200, 200, 150, 100), 260, 12),
        *paragraph(50, 900, 660, 6, 1),
    ]


def form() -> list[Box]:
    """Labels and what is filled in beside them, some of them empty."""
    boxes: list[Box] = [(300, 700, 50)]
    rng = random.Random(3)
    for number in range(14):
        top = 120 + number * 45.0
        boxes.append((60, 60 + rng.uniform(80, 280), top))
        if number not in (4, 9):
            boxes.append((400, 400 + rng.uniform(60, 500), top + rng.uniform(-4, 4)))
    return boxes


def receipt() -> list[Box]:
    """A shop's address, items with prices, totals, and thanks."""
    rng = random.Random(5)
    boxes = [
        (200 - width / 2, 200 + width / 2, 40 + 30.0 * n) for n, width in enumerate((300, 340, 200))
    ]
    for number in range(10):
        top = 150.0 + 30 * number
        boxes.append((30, 30 + rng.uniform(100, 230), top))
        boxes.append((390 - rng.uniform(40, 70), 390, top + rng.uniform(-3, 3)))
    return [*boxes, (80, 320, 470), (110, 290, 500)]


def marginal_notes() -> list[Box]:
    """A column of text with notes in its right margin, set closer."""
    text = paragraph(50, 700, 50, 30)
    notes = [
        (790, 790 + 110.0 - 15 * (n % 3), top + 22.0 * n)
        for top in (110.0, 500.0)
        for n in range(5)
    ]
    return [*text, *notes]


def side_bar() -> list[Box]:
    """Text with a box of other text beside its lower half, and a heading over both."""
    return [(60, 900, 20), *paragraph(50, 600, 80, 30), *paragraph(700, 260, 400, 16, 4, 27)]


def two_pages() -> list[Box]:
    """Two pages of a book, the second with fewer lines on the same grid."""
    return [*paragraph(80, 600, 60, 30), *paragraph(760, 600, 60, 22, 3)]


def index_in_columns() -> list[Box]:
    """An index: short lines in two columns, with gaps between its letters."""
    rng = random.Random(9)
    boxes = []
    for left, gaps in ((50.0, (4, 9, 17)), (450.0, (6, 13, 20))):
        top = 60.0
        for number in range(24):
            top += PITCH * (1.6 if number in gaps else 1.0)
            boxes.append((left, left + rng.uniform(120, 290), top))
    return boxes


LAYOUTS = {
    "a newspaper": (newspaper, 5),
    "a heading over two of three columns": (heading_over_two_of_three, 4),
    "three columns above two": (three_above_two, 6),
    "a table on a page": (table_on_a_page, 1),
    "a form": (form, 1),
    "a receipt": (receipt, 1),
    "notes in the margin": (marginal_notes, 2),
    "a side bar": (side_bar, 3),
    "two pages": (two_pages, 2),
    "an index": (index_in_columns, 2),
}
"""What makes a page's lines in the order of reading, and the number of its columns."""
