"""Writes results for people, as an aligned table."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from runtime.infer.task import Result, Task

_FILE = "file"
_GAP = "  "
_LEAST_TEXT_WIDTH = 16
_ROWS_HELD, _SECONDS_HELD = 20, 1.0
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def display_width(text: str) -> int:
    """Count the columns of `text` in a terminal: two for wide characters, none for accents."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def printable(text: str) -> str:
    """Escape the line ends, control characters and lone surrogates in `text`.

    A file name or a result then cannot break the table, nor steer the terminal.
    """
    return _UNPRINTABLE.sub(_escape, text)


def escaped(text: str) -> str:
    """Escape the control characters in `text` for a file; undecodable bytes of names stay."""
    return _CONTROLS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def shortened(text: str, width: int, keep_end: bool = False) -> str:
    """Shorten `text` to at most `width` columns, with an ellipsis where a part is left out."""
    if display_width(text) <= width:
        return text
    kept, columns = [], 1
    for character in reversed(text) if keep_end else text:
        columns += _character_width(character)
        if columns > width:
            break
        kept.append(character)
    return "…" + "".join(reversed(kept)) if keep_end else "".join(kept) + "…"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))


class TableWriter:
    """Writes results as rows of an aligned table, as they come.

    The first rows are held to find the column widths, which grow when a later row needs more. On a
    terminal they are held for a second at most: somebody waits there.

    Args:
        task: tells the cells.
        stream: where to write.
        terminal_width: columns of the terminal, into which long names and texts are shortened;
            None when the output is no terminal, and nothing is shortened.
        clock: seconds.
    """

    def __init__(
        self,
        task: Task,
        stream: TextIO,
        terminal_width: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._start = clock, clock()
        self._task, self._stream = task, stream
        self._header = (_FILE, *task.header)
        self._terminal_width = terminal_width
        self._held: list[tuple[str, str, str, str]] | None = []
        self._file_width, self._text_width, self._number_width = map(len, self._header)

    def write(self, result: Result) -> None:
        """Write a row, or hold it while the column widths are unknown."""
        row = self._row(result)
        if self._held is None:
            self._print(row)
            return
        self._held.append(row)
        is_late = self._terminal_width is not None and self._clock() - self._start >= _SECONDS_HELD
        if len(self._held) == _ROWS_HELD or is_late:
            self._release()

    def close(self) -> None:
        """Write the rows still held."""
        self._release()
        self._stream.flush()

    def _row(self, result: Result) -> tuple[str, str, str, str]:
        """Return file, the task's cells and a remark; for a failed image its reason."""
        file = printable(result.source or "(in memory)")
        if result.error is not None:
            return file, f"error: {printable(result.error)}", "-", ""
        remark = "".join(f"{_GAP}warning: {printable(warning)}" for warning in result.warnings)
        expected = self._task.mistake(result)
        if expected is not None:
            remark = f"{_GAP}misread, expected: {printable(expected)}{remark}"
        return file, *self._task.cells(result), remark

    def _release(self) -> None:
        """Write the header and the held rows, with columns that fit them all."""
        if not self._held:
            return
        rows = [(*self._header, ""), *self._held]
        self._held = None
        for row in rows:
            self._grow(row)
        for row in rows:
            self._print(row)

    def _grow(self, row: tuple[str, str, str, str]) -> None:
        """Widen the columns for a row, within the terminal."""
        file, text, number, _ = row
        self._file_width = max(self._file_width, display_width(file))
        if number != "-":  # a long reason exceeds the column rather than widening it
            self._text_width = max(self._text_width, display_width(text))
        if self._terminal_width is not None:
            columns = self._terminal_width - self._number_width - 2 * len(_GAP)
            self._file_width = min(self._file_width, max(_LEAST_TEXT_WIDTH, columns // 2))
            self._text_width = min(
                self._text_width, max(_LEAST_TEXT_WIDTH, columns - self._file_width)
            )

    def _print(self, row: tuple[str, str, str, str]) -> None:
        self._grow(row)
        file, text, number, remark = row
        if self._terminal_width is not None:
            file = shortened(file, self._file_width, keep_end=True)
            if number != "-":
                text = shortened(text, self._text_width)
        self._stream.write(
            f"{_padded(file, self._file_width)}{_GAP}{_padded(text, self._text_width)}{_GAP}"
            f"{number:>{self._number_width}}{remark}\n"
        )
