"""The order in which the lines of a page are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from runtime.pages.columns import columns_of
from runtime.pages.result import PageColumn, PageLine, Points
from runtime.pages.rows import rows_of
from runtime.pages.upright import UprightBoxes, flattened, turned, upright_boxes


def in_order(
    lines: Sequence[PageLine], angle: float
) -> tuple[tuple[PageLine, ...], tuple[PageColumn, ...]]:
    """Sort the lines of a page as they are read, whatever order they come in.

    Columns are read one after the other, what stands beside each other in a table, a form or a
    receipt as one row, and a heading over columns before them.

    Args:
        lines: with `points` in px of the page as it is.
        angle: degrees that the page is to be turned by, clockwise, for its text to stand upright.

    Returns:
        the lines with `column` and `row`, and the columns, both in the order of reading.
    """
    if not lines:
        return (), ()
    boxes = upright_boxes([line.points for line in lines], angle)
    ordered: list[PageLine] = []
    columns: list[PageColumn] = []
    for part in columns_of(boxes):
        begin = len(ordered)
        for number, row in enumerate(rows_of(boxes.at(part))):
            ordered += (
                replace(lines[place], column=len(columns), row=number)
                for place in part[row].tolist()
            )
        outline = _outline(boxes, [line.points for line in ordered[begin:]])
        columns.append(PageColumn(outline, tuple(range(begin, len(ordered)))))
    return tuple(ordered), tuple(columns)


def _outline(boxes: UprightBoxes, corners: Sequence[Points]) -> Points:
    """Return the corners around lines, on the page as it is."""
    upright = turned(flattened(corners)[0], boxes.angle)
    (left, top), (right, bottom) = upright.min(axis=0), upright.max(axis=0)
    around = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return tuple((float(x), float(y)) for x, y in turned(around, -boxes.angle))
