"""What every format gives: pages with their labelled lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from runtime.errors import DatasetError

IGNORED = "###"
"""The text of what nothing is to be learnt from."""
_FARTHEST_PX = 1e6
_MOST_POINTS, _MOST_LINES = 1000, 20_000

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LabelledText:
    """A line or word of a page.

    Args:
        points: around it, in px, at least three.
        text: that stands there; `IGNORED` where nobody can tell.
    """

    points: Points
    text: str


@dataclass(frozen=True)
class ImportedPage:
    """A page as a format says it.

    Args:
        image: name of its picture, as written or as the file's own name tells.
        texts: its lines.
    """

    image: str
    texts: tuple[LabelledText, ...]


class Format(Protocol):
    """A format of labels."""

    suffixes: ClassVar[Sequence[str]]
    """Of its files; others in a folder are passed over."""

    def read(self, file: Path) -> Iterator[ImportedPage]:
        """Yield the pages of a file; raises DatasetError if it is not of this format."""


def labelled(points: Iterable[Sequence[float]], text: str, where: str) -> LabelledText | None:
    """Make a line of what a file says; None where its outline is no area.

    Raises:
        DatasetError: if a coordinate is no number, or there are too many.
    """
    found: list[tuple[float, float]] = []
    for point in points:
        if len(found) == _MOST_POINTS:
            raise DatasetError(f"{where}: expected at most {_MOST_POINTS} points a line, got more")
        try:
            x, y = (float(value) for value in point)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"{where}: expected points of two numbers, got {point!r}") from error
        if not (math.isfinite(x) and math.isfinite(y)) or max(abs(x), abs(y)) > _FARTHEST_PX:
            raise DatasetError(f"{where}: expected coordinates in px, got {x:g}, {y:g}")
        found.append((x, y))
    if len(found) == 2:  # two corners of a box
        found = list(box(*found[0], *found[1]))
    columns, rows = ({point[axis] for point in found} for axis in (0, 1))
    if len(found) < 3 or len(columns) < 2 or len(rows) < 2:
        return None
    return LabelledText(tuple(found), " ".join(text.split()))


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the corners of a box: upper left, upper right, lower right, lower left."""
    return (left, top), (right, top), (right, bottom), (left, bottom)


def page_of(image: str, texts: Iterable[LabelledText | None], where: str) -> ImportedPage:
    """Make a page of its lines; raises DatasetError if they are too many."""
    kept: list[LabelledText] = []
    for text in texts:
        if len(kept) == _MOST_LINES:
            raise DatasetError(f"{where}: expected at most {_MOST_LINES} lines a page, got more")
        if text is not None:
            kept.append(text)
    return ImportedPage(image, tuple(kept))


def numbers_in(text: str, where: str) -> list[float]:
    """Return the numbers of a text, between blanks and commas.

    Raises:
        DatasetError: if there is anything else.
    """
    try:
        return [float(number) for number in text.replace(",", " ").split()]
    except ValueError as error:
        raise DatasetError(f"{where}: expected numbers, got {text[:60]!r}") from error


def pairs_in(text: str, where: str) -> list[tuple[float, float]]:
    """Return the points of a text `x,y x,y …` or `x y x y …`.

    Raises:
        DatasetError: if there are other things, or a number is left over.
    """
    numbers = numbers_in(text, where)
    if len(numbers) % 2:
        raise DatasetError(f"{where}: expected pairs of numbers, got {text[:60]!r}")
    return list(zip(numbers[::2], numbers[1::2], strict=True))
