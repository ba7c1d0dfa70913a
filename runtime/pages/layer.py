"""Makes the text that stands in a page of a PDF file the text of a page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runtime.images.pdf.pages import LayerWord, PdfLook
from runtime.pages.order import in_order
from runtime.pages.result import PageColumn, PageLine, PageText, PageWord, Points

FEW_CHARACTERS = 100
"""On a scan so few are what a scanner or a court stamps on it, and not its text."""

MOST_BAD = 0.1
"""Share of characters without a meaning from which on the text is of no use."""

_SAME_ROW = 0.5
_TURNED = 45.0
"""Degrees."""


def has_text(look: PdfLook) -> bool:
    """Tell whether the text that stands in a page is all of its text.

    It is not on a scan with a few characters, or with those that another OCR put over it unseen,
    nor where the file does not say what its characters mean, nor where a form was filled in or
    notes were written on it.
    """
    if look.has_notes or not look.num_characters or look.num_bad > MOST_BAD * look.num_characters:
        return False
    return not look.is_scan or (look.num_characters >= FEW_CHARACTERS and not look.is_hidden)


def page_from_layer(look: PdfLook, source: str | None, page: int) -> PageText:
    """Return the text that stands in a page, in the order of the file.

    Of pages that are turned it is the order of reading: pdfium sorts their lines as if they stood
    upright.

    Args:
        look: at the page.
        source: its name.
        page: its number in the file, from 1.

    Returns:
        lines of the confidence 1.0; what stands beside each other is one row, in a single column.
    """
    lines: list[PageLine] = []
    rows: list[list[PageLine]] = []
    for words in look.lines:
        line = _line(words)
        if not rows or not _are_beside(rows[-1][-1].points, line.points):
            rows.append([])
        rows[-1].append(line)
    for number, row in enumerate(rows):
        along = _direction(row[0].points)
        row.sort(key=lambda line: _along(line.points[0], along))
        lines += (PageLine(**{**vars(line), "row": number}) for line in row)
    warnings = look.warnings
    if look.num_bad > MOST_BAD * look.num_characters:
        share = look.num_bad / look.num_characters
        warnings = (*warnings, f"the file does not say what {share:.0%} of its characters mean")
    angle = _angle(lines)
    column = PageColumn(_around(lines), tuple(range(len(lines))))
    ordered = tuple(lines)
    columns: tuple[PageColumn, ...] = (column,) if lines else ()
    if abs(angle) > _TURNED:
        ordered, columns = in_order(lines, angle)
    return PageText(
        lines=ordered,
        columns=columns,
        source=source,
        page=page,
        width_px=look.width_px,
        height_px=look.height_px,
        angle=angle,
        px_per_inch=look.px_per_inch,
        is_from_file=True,
        warnings=warnings,
    )


def _line(words: Sequence[LayerWord]) -> PageLine:
    """Return a line of words that run in one direction."""
    along = _direction(words[0].points)
    spots = [
        (_along(point, along), _across(point, along)) for word in words for point in word.points
    ]
    us, vs = [u for u, _ in spots], [v for _, v in spots]
    left, top, right, bottom = min(us), min(vs), max(us), max(vs)
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    points = tuple((u * along[0] - v * along[1], u * along[1] + v * along[0]) for u, v in corners)
    return PageLine(
        text=" ".join(word.text for word in words),
        confidence=1.0,
        points=points,
        words=tuple(PageWord(word.text, 1.0, word.points) for word in words),
    )


def _are_beside(before: Points, after: Points) -> bool:
    """Tell whether a line is as high on the page as the one before, seen in its direction."""
    along = _direction(before)
    if _along(_direction(after), along) < math.cos(math.radians(10)):
        return False
    tops = [min(_across(point, along) for point in points) for points in (before, after)]
    bottoms = [max(_across(point, along) for point in points) for points in (before, after)]
    shared = min(bottoms) - max(tops)
    return shared > _SAME_ROW * min(bottoms[0] - tops[0], bottoms[1] - tops[1])


def _angle(lines: Sequence[PageLine]) -> float:
    """Return how far the page is to be turned clockwise for most of its text to stand upright."""
    if not lines:
        return 0.0
    lengths: dict[float, int] = {}
    for line in lines:
        x, y = _direction(line.points)
        angle = -math.degrees(math.atan2(y, x))
        angle = 180.0 if angle <= -179.95 else round(angle, 1) + 0.0
        lengths[angle] = lengths.get(angle, 0) + len(line.text)
    return max(lengths, key=lengths.__getitem__)


def _direction(points: Points) -> tuple[float, float]:
    """Return the direction that text with these corners runs in, of length 1."""
    (left_x, left_y), (right_x, right_y) = points[0], points[1]
    length = math.hypot(right_x - left_x, right_y - left_y)
    return ((right_x - left_x) / length, (right_y - left_y) / length) if length else (1.0, 0.0)


def _along(point: tuple[float, float], along: tuple[float, float]) -> float:
    return point[0] * along[0] + point[1] * along[1]


def _across(point: tuple[float, float], along: tuple[float, float]) -> float:
    return point[1] * along[0] - point[0] * along[1]


def _around(lines: Sequence[PageLine]) -> Points:
    """Return the corners of the upright rectangle around lines."""
    corners = [point for line in lines for point in line.points]
    if not corners:
        return ()
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    return ((left, top), (right, top), (right, bottom), (left, bottom))
