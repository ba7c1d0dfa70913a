"""Puts the lines of a page in the order of reading."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runtime.pages.result import PageColumn, PageLine


def in_order(
    lines: Sequence[PageLine], angle: float
) -> tuple[tuple[PageLine, ...], tuple[PageColumn, ...]]:
    """Sort lines from above, as one column.

    Args:
        lines: of a page.
        angle: of the page, as `PageText.angle`.
    """
    if not lines:
        return (), ()
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))

    def place(line: PageLine) -> float:
        x, y = line.points[0]
        return x * sine + y * cosine

    ordered = tuple(sorted(lines, key=place))
    return ordered, (PageColumn(ordered[0].points, tuple(range(len(ordered)))),)
