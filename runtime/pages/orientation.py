"""Tells in which direction the text of a page runs, and where each of its lines begins.

Directions are those in which text is read, in degrees clockwise from the right: 0 in an upright
page, 90 where text runs down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from runtime.pages.crops import Corners, extent
from runtime.recognition.result import Recognition

DOWN = 90.0
TURNED = 180.0

_LONG = 3.0
"""Lines with such a ratio of their sides tell a direction."""
_TALL = 1.5
_LONGEST_CHARACTER = 1.7
"""Of the usual height of a line: what is taller than wide and no longer is a character or two."""
_MOST_TRIALS = 5
_TRIAL_RATIO = 8.0
_SURE, _SURE_CHARACTERS = 0.93, 8
"""Of 560 lines of receipts, typed and printed pages, none with that many characters was read so
surely upside down, and nine of ten upright."""
_DECISIVE = 0.1
_UNSURE = 0.8
"""Three lines of a hundred that stand upright are read less surely than that."""


def is_sideways(sides: Sequence[Corners]) -> bool:
    """Tell whether the long lines among corners, [4, 2] each, mostly run up or down."""
    lengths, directions = _long_lines(sides)
    is_steep = np.abs((directions + 45) % 180 - 45) > 45
    return bool(lengths[is_steep].sum() > lengths[~is_steep].sum())


def skew(sides: Sequence[Corners], direction: float) -> float:
    """Return by how many degrees lines lean clockwise from a direction, from -45 to 45.

    Args:
        sides: corners of the lines, [4, 2] each; long ones count.
        direction: about that of the text, or the opposite one.
    """
    lengths, directions = _long_lines(sides)
    leaning = (directions - direction + 90) % 180 - 90
    is_along = np.abs(leaning) <= 45
    lengths, leaning = lengths[is_along], leaning[is_along]
    if not len(lengths):
        return 0.0
    order = np.argsort(leaning)
    middle = np.searchsorted(np.cumsum(lengths[order]), lengths.sum() / 2)
    return float(leaning[order][middle])


def _long_lines(sides: Sequence[Corners]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return lengths in px and directions in degrees, one way or the other, of long lines."""
    if not len(sides):
        return np.zeros(0), np.zeros(0)
    corners = np.asarray(sides)
    edges = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1]], axis=1)
    lengths = np.linalg.norm(edges, axis=2)
    longer = np.argmax(lengths, axis=1)
    rows = np.arange(len(corners))
    chosen = edges[rows, longer]
    is_long = lengths.max(axis=1) >= _LONG * np.maximum(lengths.min(axis=1), 1)
    directions = np.degrees(np.arctan2(chosen[:, 1], chosen[:, 0]))
    return lengths.max(axis=1)[is_long], directions[is_long]


def in_reading_order(corners: Corners, direction: float, line_height: float) -> Corners:
    """Return four corners from where the text begins above, clockwise.

    A line runs along its longer side, with the page; one that stands on its end runs down, as
    text on spines of books and in columns of tables, unless it is no longer than a character.

    Args:
        corners: [4, 2], clockwise.
        direction: of the page's text.
        line_height: that is usual in the page, in px.
    """
    radians = np.radians(direction)
    along = np.array([np.cos(radians), np.sin(radians)])
    turned = max(
        (np.roll(corners, -place, axis=0) for place in range(4)),
        key=lambda turn: float(np.dot(_reading(turn), along)),
    )
    width, height = extent(turned)
    if height >= _TALL * width and height > _LONGEST_CHARACTER * line_height:
        # Its text begins at what is the upper right corner of the page's own direction.
        turned = np.roll(turned, -1, axis=0)
    return turned


def _reading(corners: Corners) -> NDArray[np.float64]:
    """Return the direction in which corners in reading order say that text runs, of length 1."""
    across = corners[1] - corners[0] + corners[2] - corners[3]
    return np.asarray(across / max(float(np.linalg.norm(across)), 1e-9))


def is_along(corners: Corners, direction: float) -> bool:
    """Tell whether a line is read about in a direction, and neither up, down nor backwards."""
    x, y = _reading(corners).tolist()
    turned = float(np.degrees(np.arctan2(y, x))) - direction
    return abs((turned + 180) % 360 - 180) <= 45


def upside_down(corners: Corners) -> Corners:
    """Return the corners of a line that is read the other way round."""
    return np.roll(corners, -2, axis=0)


def trial_order(lines: Sequence[Corners], scores: Sequence[float]) -> list[int]:
    """Return the places of a few lines that tell best which way is up, the best first."""

    def doubt(place: int) -> float:
        width, height = extent(lines[place])
        ratio = max(width, 1) / max(height, 1)
        return abs(float(np.log(ratio / _TRIAL_RATIO))) - scores[place]

    return sorted(range(len(lines)), key=doubt)[:_MOST_TRIALS]


def is_upside_down(places: Iterable[int], read: Callable[[int, bool], Recognition]) -> bool:
    """Decide whether a page stands upside down from the direction supposed.

    A line that reads surely decides alone; otherwise lines are read both ways until a difference
    is decisive, and the more probable way wins.

    Args:
        places: of the lines to try.
        read: reads the line of a place, as supposed or turned by 180 degrees.
    """
    evidence = 0.0
    for place in places:
        upright = read(place, False)
        if is_sure(upright):
            return False
        turned = read(place, True)
        evidence += _weight(turned) - _weight(upright)
        if is_sure(turned) and turned.confidence > upright.confidence + _DECISIVE:
            return True
    return evidence > 0


def is_sure(reading: Recognition) -> bool:
    """Tell whether a reading leaves no doubt that its line stands upright."""
    return reading.confidence >= _SURE and len(reading.text) >= _SURE_CHARACTERS


def is_doubtful(reading: Recognition) -> bool:
    """Tell whether a line may stand the other way round."""
    return reading.error is None and reading.confidence < _UNSURE


def reads_better(turned: Recognition, upright: Recognition) -> bool:
    """Tell whether a line reads better the other way round; a single character never does."""
    return len(turned.text) > 1 and turned.confidence > upright.confidence + _DECISIVE


def _weight(reading: Recognition) -> float:
    """Return what a reading counts: more characters count more, up to twenty."""
    return reading.confidence * min(len(reading.text), 20)
