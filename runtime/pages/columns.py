"""Parts of a page that are read one after the other: columns, and what stands over them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.pages.upright import Floats, Places, UprightBoxes

_DEEPEST = 12
_MOST_GUTTERS = 16
_FEWEST_LINES = 4
_FEWEST_ROWS = 2
_INTRUSION = 0.75
"""Heights that a line may reach over the middle of a gutter and not be across it."""
_LEVEL = 0.3
"""Heights that lines beside each other may differ by and be of one row."""
_LONG = 7.0
_FULL = 0.65
_TEXT_SHARE = 0.5


class _Cut(NamedTuple):
    """A gutter and the lines that it parts.

    Args:
        number: of lines that stand on either side of it.
        parts: of the page, in the order of reading, places each.
    """

    number: int
    parts: list[Places]


def columns_of(boxes: UprightBoxes) -> list[Places]:
    """Cut a page at the gutters between its columns.

    Args:
        boxes: of its lines.

    Returns:
        places of the lines of each part, parts in the order of reading.
    """
    found: list[Places] = []
    waiting = [(np.argsort(boxes.centre_y, kind="stable"), 0)]
    while waiting:
        part, depth = waiting.pop()
        cut = _best_cut(boxes, part) if depth < _DEEPEST else None
        if cut is None:
            found.append(part)
        else:
            waiting += ((piece, depth + 1) for piece in reversed(cut.parts))
    return found


def _best_cut(boxes: UprightBoxes, part: Places) -> _Cut | None:
    """Return the cut at the gutter that has most lines on its sides, None if there is none.

    Args:
        boxes: of the page.
        part: places of lines, from above.
    """
    if len(part) < _FEWEST_LINES:
        return None
    lines = boxes.at(part)
    best: _Cut | None = None
    for x in _gutters(lines):
        cut = _cut_at(lines, part, x)
        if cut is not None and (best is None or cut.number > best.number):
            best = cut
    return best


def _gutters(lines: UprightBoxes) -> list[float]:
    """Return where fewer lines are crossed than to the left and right of it, the fewest first."""
    edges = np.concatenate([lines.left, lines.right])
    steps = np.repeat([1, -1], len(lines.left))
    order = np.lexsort((-steps, edges))
    edges, crossed = edges[order], np.cumsum(steps[order])
    gaps = np.diff(edges)
    crossed = crossed[:-1][gaps > 0]
    begins, gaps = edges[:-1][gaps > 0], gaps[gaps > 0]
    if len(crossed) < 3:
        return []
    is_least = np.zeros(len(crossed), dtype=np.bool_)
    is_least[1:-1] = (crossed[1:-1] < crossed[:-2]) & (crossed[1:-1] < crossed[2:])
    places = np.flatnonzero(is_least & (crossed < 0.7 * len(lines.left)))
    places = places[np.lexsort((-gaps[places], crossed[places]))][:_MOST_GUTTERS]
    return (begins[places] + gaps[places] / 2).tolist()


def _cut_at(lines: UprightBoxes, part: Places, x: float) -> _Cut | None:
    """Cut where columns stand on both sides of `x`.

    Args:
        lines: from above.
        part: their places on the page.
        x: of the middle of a gutter.
    """
    is_across = np.minimum(x - lines.left, lines.right - x) > _INTRUSION * lines.height
    is_left = lines.centre_x < x
    number, begin = 0, 0
    parts: list[Places] = []
    # Lines across the gutter part the bands beside it.
    bounds = [-1, *np.flatnonzero(is_across).tolist(), len(part)]
    for before, after in zip(bounds, bounds[1:], strict=False):
        band = np.arange(before + 1, after)
        if len(band) < _FEWEST_LINES:
            continue
        left, right = band[is_left[band]], band[~is_left[band]]
        if not _are_columns(lines.at(left), lines.at(right), x):
            continue
        number += len(band)
        if band[0] > begin:
            parts.append(part[begin : band[0]])
        parts += [part[left], part[right]]
        begin = after
    if not parts:
        return None
    if begin < len(part):
        parts.append(part[begin:])
    return _Cut(number, parts)


def _are_columns(left: UprightBoxes, right: UprightBoxes, x: float) -> bool:
    """Tell whether what stands left and right of a gutter is read one after the other.

    In a table, a form or a receipt every row of the side with fewer of them has one beside it, and
    one side at least is no running text. Columns of running text may be set on common lines.
    """
    if min(len(left.left), len(right.left)) < _FEWEST_ROWS:
        return False
    left_rows, right_rows = _levels(left, x), _levels(right, x)
    if min(len(left_rows), len(right_rows)) < _FEWEST_ROWS:
        return False
    height = float(np.median(np.concatenate([left.height, right.height])))
    top = max(left_rows[0], right_rows[0])
    bottom = min(left_rows[-1], right_rows[-1])
    extent = min(left_rows[-1] - left_rows[0], right_rows[-1] - right_rows[0])
    if bottom - top < 0.5 * extent:
        return False
    if min(_text_share(left), _text_share(right)) >= _TEXT_SHARE:
        return True
    fewer, more = sorted((left_rows, right_rows), key=len)
    return not _is_aligned(fewer, more, height)


def _levels(lines: UprightBoxes, x: float) -> Floats:
    """Return how far down each row of lines is, in ascending order."""
    levels = np.sort(lines.y_at(x))
    height = float(np.median(lines.height))
    begins = np.flatnonzero(np.diff(levels, prepend=-np.inf) > height / 2)
    counts = np.diff(np.append(begins, len(levels)))
    return np.add.reduceat(levels, begins) / counts


def _is_aligned(fewer: Floats, more: Floats, height: float) -> bool:
    """Tell whether rows stand beside others more often than by chance."""
    following = np.searchsorted(more, fewer).clip(1, len(more) - 1)
    distance = np.minimum(np.abs(more[following] - fewer), np.abs(more[following - 1] - fewer))
    aligned = float(np.mean(distance < _LEVEL * height))
    pitch = float(np.median(np.diff(more)))
    chance = min(0.9, 2 * _LEVEL * height / max(pitch, 1e-6))
    return aligned > (1 + chance) / 2


def _text_share(lines: UprightBoxes) -> float:
    """Return the part of lines, by their widths, that are long and fill their column."""
    widths = lines.right - lines.left
    full = _FULL * (lines.right.max() - lines.left.min())
    is_text: NDArray[np.bool_] = (widths > _LONG * lines.height) & (widths > full)
    return float(widths[is_text].sum() / max(widths.sum(), 1e-9))
