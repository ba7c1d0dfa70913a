"""Where things are on a page, as formats ask for it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from html import escape
from typing import NamedTuple

from runtime.pages.result import PageLine, PageWord, Points

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Rectangle(NamedTuple):
    """An upright rectangle in whole px of the page."""

    left: int
    top: int
    right: int
    bottom: int


def rectangle_around(points: Iterable[tuple[float, float]]) -> Rectangle:
    """Return the smallest rectangle of whole px around points; an empty one around none."""
    corners = list(points)
    if not corners:
        return Rectangle(0, 0, 0, 0)
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    edges = (math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys)))
    return Rectangle(*(max(0, edge) for edge in edges))


def leaning(points: Points) -> float:
    """Return how text with these corners leans: degrees clockwise, -180 to 180."""
    if len(points) < 2:
        return 0.0
    (left_x, left_y), (right_x, right_y) = points[0], points[1]
    return math.degrees(math.atan2(right_y - left_y, right_x - left_x))


def words_of(line: PageLine) -> tuple[PageWord, ...]:
    """Return the words of a line; the line itself where it has none."""
    if line.words or not line.text:
        return line.words
    return (PageWord(line.text, line.confidence, line.points),)


def xml_text(text: str) -> str:
    """Return text as it stands in XML, without characters that XML has no place for."""
    return escape(_NOT_XML.sub("\ufffd", text))


def xml_error(error: str | None) -> str:
    """Return the reason why a page could not be read as a comment in XML, "" where it could.

    Two hyphens would end the comment, so that none stands behind another.
    """
    if error is None:
        return ""
    return f"   <!-- error: {re.sub('-(?=-)', '- ', xml_text(error))} -->\n"
