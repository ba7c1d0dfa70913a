"""The text of a page, shared by all that produce, write and use results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Points = tuple[tuple[float, float], ...]
"""Corners (x, y) in px of the page, as it is after its orientation is applied; four of them begin
where the text begins above, and go on clockwise as seen by who reads it."""


class PageWord(NamedTuple):
    """A word of a line: what stands between two spaces.

    Args:
        text: without spaces.
        confidence: mean probability of its characters.
        points: four corners.
    """

    text: str
    confidence: float
    points: Points


@dataclass(frozen=True)
class PageLine:
    """A line of text.

    Args:
        text: may be empty where something was found that reads as nothing.
        confidence: mean probability of its characters, 0.0 if the text is empty.
        points: its outline; four corners, or those of a polygon.
        score: of the detector, or 1.0 where the text stood in the file.
        words: from the text's begin to its end.
        is_unsure: whether the confidence is below the reader's; such a line is kept.
        column: which of the page's columns it belongs to, from 0.
        row: lines that stand beside each other in a column have the same, from 0.
        is_turned: whether it reads upside down, as seen from the rest of the page.
    """

    text: str
    confidence: float
    points: Points
    score: float = 1.0
    words: tuple[PageWord, ...] = ()
    is_unsure: bool = False
    column: int = 0
    row: int = 0
    is_turned: bool = False


class PageColumn(NamedTuple):
    """A part of a page that is read before the next begins.

    Args:
        points: four corners around its lines, leaning as the page does.
        lines: places of its lines in the page's `lines`.
    """

    points: Points
    lines: tuple[int, ...]


@dataclass(frozen=True)
class PageText:
    """The text of a page, or the reason why it could not be read.

    Args:
        lines: in the order of reading.
        columns: in the order of reading.
        source: the path or name that was given, None for bytes and arrays.
        page: number of the page in its file, from 1; None if the file is no document.
        width_px, height_px: size of the page, 0 if it could not be read.
        angle: degrees that the page is to be turned by, clockwise, for its text to stand upright:
            more than -180 and up to 180; its skew is part of it.
        px_per_inch: of the scan, None if it is not known.
        is_from_file: whether the text stood in the file, and was not read from the picture.
        error: why the page could not be read, None if it could.
        warnings: of what was left out, or may have impaired the text.
    """

    lines: tuple[PageLine, ...] = ()
    columns: tuple[PageColumn, ...] = ()
    source: str | None = None
    page: int | None = None
    width_px: int = 0
    height_px: int = 0
    angle: float = 0.0
    px_per_inch: float | None = None
    is_from_file: bool = False
    error: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text in the order of reading: a line for a row, an empty one between columns."""
        parts = []
        for column in self.columns:
            rows: dict[int, list[str]] = {}
            for place in column.lines:
                line = self.lines[place]
                if line.text:
                    rows.setdefault(line.row, []).append(line.text)
            parts.append("\n".join(" ".join(texts) for texts in rows.values()))
        return "\n\n".join(part for part in parts if part)
