"""Lines that stand beside each other."""

from __future__ import annotations

import numpy as np

from runtime.pages.upright import Places, UprightBoxes

_LEAST_SHARED = 0.4
"""Part of the lower line's height that lies beside the higher one, at least."""
_MOST_OVERLAP = 0.5
"""Part of the shorter line's width that may lie above or below the other."""


def rows_of(boxes: UprightBoxes) -> list[Places]:
    """Group lines into rows, from above, and sort each from left to right.

    Lines that run down the page are rows of their own, from the left.

    Args:
        boxes: of a part of the page that is no columns, all running down it or none.

    Returns:
        places of the lines of each row.
    """
    if boxes.is_tall.all():
        return list(np.lexsort((boxes.centre_y, boxes.left))[:, np.newaxis])
    rows = _chained(boxes)
    widths = boxes.right - boxes.left + 1e-6
    depths = [boxes.centre_y[row] @ widths[row] / widths[row].sum() for row in rows]
    return [rows[number] for number in np.argsort(depths, kind="stable").tolist()]


def _chained(boxes: UprightBoxes) -> list[Places]:
    """Take lines from left to right; each continues the row whose last line is level with it.

    So a row follows a curved or leaning page.
    """
    order = np.lexsort((boxes.centre_y, boxes.left)).tolist()
    last = np.zeros(len(order), dtype=np.intp)
    rows: list[list[int]] = []
    for place in order:
        found = _row_before(boxes, last[: len(rows)], place)
        if found is None:
            found = len(rows)
            rows.append([])
        rows[found].append(place)
        last[found] = place
    return [np.array(row, dtype=np.intp) for row in rows]


def _row_before(boxes: UprightBoxes, last: Places, place: int) -> int | None:
    """Return the row that a line continues, None if there is none.

    Args:
        boxes: of all lines.
        last: place of the last line of each row.
        place: of the line.
    """
    overlaps = boxes.right[last] - boxes.left[place]
    widths = np.minimum(
        boxes.right[last] - boxes.left[last], boxes.right[place] - boxes.left[place]
    )
    rows = np.flatnonzero(overlaps <= _MOST_OVERLAP * widths)
    last = last[rows]
    # Both lines are continued to the middle between them.
    middles = (boxes.right[last] + boxes.left[place]) / 2
    levels = boxes.centre_y[last] + boxes.slope[last] * (middles - boxes.centre_x[last])
    level = boxes.centre_y[place] + boxes.slope[place] * (middles - boxes.centre_x[place])
    heights, height = boxes.height[last], boxes.height[place]
    reach = (heights + height) / 2 - _LEAST_SHARED * np.minimum(heights, height)
    distances = np.abs(levels - level)
    distances[distances > reach] = np.inf
    if not len(distances) or np.isinf(distances.min()):
        return None
    return int(rows[distances.argmin()])
