"""Lines that stand beside each other."""

from __future__ import annotations

import numpy as np

from runtime.pages.upright import Places, UprightBoxes

_LEAST_SHARED = 0.5
"""Part of the lower line's height that lies beside the higher one, at least."""
_MOST_OVERLAP = 0.5
"""Part of the shorter line's width that may lie above or below the other."""


def rows_of(boxes: UprightBoxes) -> list[Places]:
    """Group lines into rows, from above, and sort each from left to right.

    Lines are taken from left to right, and each continues the row whose last line is level with
    it, so that a row follows a curved or leaning page.

    Args:
        boxes: of a part of the page that is no columns.
    """
    order = np.lexsort((boxes.centre_y, boxes.left))
    count = len(order)
    last_right = np.full(count, np.inf)
    last_width = np.zeros(count)
    last_level = np.zeros(count)  # y at x = 0 of the last line, continued
    last_slope = np.zeros(count)
    last_height = np.zeros(count)
    members: list[list[int]] = []
    for place in order.tolist():
        left, right, height = boxes.left[place], boxes.right[place], boxes.height[place]
        slope, centre_y = boxes.slope[place], boxes.centre_y[place]
        number = len(members)
        found = -1
        if number and not boxes.is_tall[place]:
            middles = (last_right[:number] + left) / 2
            distance = np.abs(
                last_level[:number]
                + last_slope[:number] * middles
                - (centre_y + slope * (middles - boxes.centre_x[place]))
            )
            heights = last_height[:number]
            shared = np.minimum(heights, height) * (1 - _LEAST_SHARED)
            reach = np.maximum(shared, (heights + height) / 2 - _LEAST_SHARED * np.minimum(heights, height))
            overlap = last_right[:number] - left
            is_beside = overlap <= _MOST_OVERLAP * np.minimum(last_width[:number], right - left)
            distance = np.where(is_beside & (distance <= reach), distance, np.inf)
            nearest = int(distance.argmin())
            found = nearest if np.isfinite(distance[nearest]) else -1
        if found < 0:
            found = number
            members.append([])
        members[found].append(place)
        last_right[found] = right if not boxes.is_tall[place] else np.inf
        last_width[found] = right - left
        last_level[found] = centre_y - slope * boxes.centre_x[place]
        last_slope[found] = slope
        last_height[found] = height
    rows = [np.array(row, dtype=np.intp) for row in members]
    depths = [
        float(np.average(boxes.centre_y[row], weights=boxes.right[row] - boxes.left[row] + 1e-6))
        for row in rows
    ]
    return [rows[number] for number in np.argsort(depths, kind="stable").tolist()]
