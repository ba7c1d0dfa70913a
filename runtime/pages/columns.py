"""Parts of a page that are read one after the other: columns, and what stands over them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.pages.upright import Floats, Places, UprightBoxes

_DEEPEST = 12
_MOST_GUTTERS = 16
_FEWEST_LINES = 4
_FEWEST_ROWS = 3
_INTRUSION = 0.75
"""Heights that a line may reach over the middle of a gutter and not be across it."""
_STRAY = 0.05
"""Part of the lines that may reach into a gutter."""
_NARROWEST_GAP = 0.5
_WIDE = 12.5
"""Heights of a line; 99 of 100 columns of a receipt are less wide."""
_NARROW = 8.0
_LONG = 7.0
_FULL = 0.65
_TEXT_SHARE = 0.5
_NARROW_TEXT_SHARE = 0.6


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
    one side at least is narrow or no running text. Columns of text may be set on common lines.
    """
    if min(len(left.left), len(right.left)) < _FEWEST_ROWS:
        return False
    fewer, more = sorted((_levels(left, x), _levels(right, x)), key=len)
    number = len(fewer)
    extent = min(fewer[-1] - fewer[0], more[-1] - more[0])
    beside = min(fewer[-1], more[-1]) - max(fewer[0], more[0])
    height = float(np.median(np.concatenate([left.height, right.height])))
    gap = float(np.quantile(right.left, _STRAY) - np.quantile(left.right, 1 - _STRAY))
    if number < _FEWEST_ROWS or beside < extent / 2 or gap < _NARROWEST_GAP * height:
        return False
    width = min(np.ptp([side.left.min(), side.right.max()]) for side in (left, right)) / height
    shares = sorted(map(_text_share, (left, right)))
    offset = _offset(fewer, more)
    if width >= _WIDE:
        is_text = shares[0] >= _TEXT_SHARE
        return is_text or offset >= 0.3 or (number >= 15 and offset >= 0.12 and shares[0] > 0.05)
    if width >= _NARROW and shares[0] >= _NARROW_TEXT_SHARE and number >= 5:
        return True
    return shares[1] >= _NARROW_TEXT_SHARE and number >= 4 and offset >= 0.4


def _levels(lines: UprightBoxes, x: float) -> Floats:
    """Return how far down each row of lines is, in ascending order."""
    levels = np.sort(lines.y_at(x))
    height = float(np.median(lines.height))
    begins = np.flatnonzero(np.diff(levels, prepend=-np.inf) > height / 2)
    counts = np.diff(np.append(begins, len(levels)))
    return np.add.reduceat(levels, begins) / counts


def _offset(fewer: Floats, more: Floats) -> float:
    """Return how far rows are from those beside them.

    Returns:
        0 where they are level, 0.5 on average where they have nothing to do with each other.
    """
    following = np.searchsorted(more, fewer).clip(1, len(more) - 1)
    distance = np.minimum(np.abs(more[following] - fewer), np.abs(more[following - 1] - fewer))
    pitches = np.diff(more)
    pitch = np.minimum(more[following] - more[following - 1], 1.6 * np.median(pitches))
    return float(np.minimum(1.0, 2 * distance / pitch).mean())


def _text_share(lines: UprightBoxes) -> float:
    """Return the part of lines, by their widths, that are long and fill their column."""
    widths = lines.right - lines.left
    full = _FULL * (lines.right.max() - lines.left.min())
    is_text: NDArray[np.bool_] = (widths > _LONG * lines.height) & (widths > full)
    return float(widths[is_text].sum() / max(widths.sum(), 1e-9))
