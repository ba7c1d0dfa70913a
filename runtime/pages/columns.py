"""Parts of a page that are read one after the other: columns, and what stands over them."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from runtime.pages.upright import Floats, Places, UprightBoxes

_DEEPEST = 12
_MOST_GUTTERS = 16
_FEWEST_LINES = 4
_FEWEST_ROWS = 3
_SOME_ROWS = 6
_MANY_ROWS = 15
_INTRUSION = 0.75
"""Heights that a line may reach over the middle of a gutter and not be across it."""
_STRAY = 0.05
"""Part of the lines that may reach into a gutter."""
_NARROWEST_GAP = 0.5
_WIDE = 12.5
"""Heights of a line; 99 of 100 columns of a receipt are less wide."""
_NARROW = 8.0
_LONG = 7.0
_FULL, _ALMOST_FULL = 0.8, 0.65
_TEXT_SHARE = 0.6
_BODY_TEXT_SHARE = 0.75
_UNLEVEL = 0.3
_LONELY = 0.12
_CHANCE = 0.45
_NOTES_LEAST, _NOTES_MOST = 0.35, 0.75


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
        places of the lines of each part, parts in the order of reading; those that run down the
        page, as notes along a margin do, are the last.
    """
    found: list[Places] = []
    order = np.argsort(boxes.centre_y, kind="stable")
    tall, others = order[boxes.is_tall[order]], order[~boxes.is_tall[order]]
    waiting = [(tall, _DEEPEST), (others, 0)]
    while waiting:
        part, depth = waiting.pop()
        if not len(part):
            continue
        cut = _best_cut(boxes, part) if depth < _DEEPEST else None
        if cut is None:
            found.append(part)
        else:
            waiting += ((piece, depth + 1) for piece in reversed(cut.parts))
    return found


def _best_cut(boxes: UprightBoxes, part: Places) -> _Cut | None:
    """Return the cut that most lines speak for, None if there is none.

    Args:
        boxes: of the page.
        part: places of lines, from above.
    """
    if len(part) < _FEWEST_LINES:
        return None
    lines = boxes.at(part)
    cuts = [cut for x in _gutters(lines) if (cut := _cut_at(lines, part, x)) is not None]
    return max(cuts, key=lambda cut: cut.number, default=None)


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
    for before, after in pairwise(bounds):
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
    if number < _FEWEST_ROWS or beside < extent / 4 or gap < _NARROWEST_GAP * height:
        return False
    sides = (left, right)
    width = min(float(side.right.max() - side.left.min()) for side in sides) / height
    offset = _offset(fewer, more)
    is_long = number >= _MANY_ROWS
    if is_long and width >= _NARROW:
        lonely = _lonely_share(fewer, more, height)
        if lonely >= _LONELY or offset >= _CHANCE:
            return True
    less_text, more_text = sorted(_text_share(side) for side in sides)
    if width >= _WIDE:
        is_unlevel = number >= _SOME_ROWS and offset >= _UNLEVEL
        has_text = min(_text_share(side, _ALMOST_FULL) for side in sides) > 0
        return (
            less_text >= _TEXT_SHARE or is_unlevel or (is_long and offset >= _LONELY and has_text)
        )
    if width >= _NARROW and number >= _SOME_ROWS:
        return less_text >= _TEXT_SHARE
    # Notes in a margin are set without regard to the lines of the text beside them.
    is_beside_text = more_text >= _BODY_TEXT_SHARE
    return is_beside_text and number > _FEWEST_ROWS and _NOTES_LEAST < offset < _NOTES_MOST


def _levels(lines: UprightBoxes, x: float) -> Floats:
    """Return how far down each row is where it comes nearest to `x`, in ascending order."""
    levels = lines.y_at(x)
    order = np.argsort(levels, kind="stable")
    is_next = np.diff(levels[order]) > np.median(lines.height) / 2
    rows = np.cumsum(np.insert(is_next, 0, False))
    distances = np.maximum(lines.left - x, x - lines.right)[order]
    nearest = order[np.lexsort((distances, rows))]
    begins = np.flatnonzero(np.insert(is_next, 0, True))
    return np.sort(levels[nearest[begins]])


def _offset(fewer: Floats, more: Floats) -> float:
    """Return how far rows are from those beside them.

    Returns:
        0 where they are level, 0.5 on average where they have nothing to do with each other.
    """
    following = np.searchsorted(more, fewer).clip(1, len(more) - 1)
    pitch = np.minimum(more[following] - more[following - 1], 1.6 * np.median(np.diff(more)))
    return float(np.minimum(1.0, 2 * _distances(fewer, more) / pitch).mean())


def _lonely_share(fewer: Floats, more: Floats, height: float) -> float:
    """Return the part of the rows of either side, the smaller part, that none stands beside."""
    shares = []
    for rows, beside in ((fewer, more), (more, fewer)):
        is_within = (rows >= beside[0] - height / 2) & (rows <= beside[-1] + height / 2)
        if not is_within.any():
            return 0.0
        shares.append(float(np.mean(_distances(rows[is_within], beside) > height / 2)))
    return min(shares)


def _distances(rows: Floats, beside: Floats) -> Floats:
    """Return how far each row is from the nearest of the other side, in px."""
    following = np.searchsorted(beside, rows).clip(1, len(beside) - 1)
    return np.minimum(np.abs(beside[following] - rows), np.abs(beside[following - 1] - rows))


def _text_share(lines: UprightBoxes, full: float = _FULL) -> float:
    """Return the part of lines that are long and fill their column, of which there may be more."""
    widths = lines.right - lines.left
    is_full = widths > full * np.quantile(widths, 0.9)
    return float(np.mean(is_full & (widths > _LONG * lines.height)))
