"""Writes results for programs: JSON lines, CSV, and PaddleOCR's text.

Every format has a record per image, which is a line and written in one piece, so that a file can
be cut after its last complete record and continued. Control characters are escaped: JSON has its
own escapes, the other formats write `\\x1b`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from runtime.errors import ArtifactError
from runtime.infer.table import escaped
from runtime.infer.task import Result, Task

ENCODING_ERRORS = {
    "labels": "surrogateescape",
    "jsonl": "backslashreplace",
    "csv": "surrogateescape",
    "txt": "surrogateescape",
}
"""How each format writes an undecodable byte of a file name: as JSON's \\udcXX, or unchanged."""

_SUFFIXES = {"": "jsonl", ".jsonl": "jsonl", ".json": "jsonl", ".csv": "csv", ".txt": "txt"}
_OTHER_NAMES = {"json": "jsonl", "text": "txt"}

_RAW_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029]")
"""Control characters and line ends that JSON allows within a string."""

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+(?:[.,][0-9]+)*%?")


class Stream(Protocol):
    """A text stream to which records are written."""

    def write(self, text: str, /) -> int:
        """Write a record."""

    def flush(self) -> None:
        """Write buffered records to the file."""


class Writer(Protocol):
    """Writes results in a format."""

    def write(self, result: Result) -> None:
        """Write a result."""

    def close(self) -> None:
        """Write the results that are still held."""


def format_named(name: str) -> str:
    """Return the format that a name stands for, which may be one of the service's."""
    return _OTHER_NAMES.get(name, name)


def format_of(path: str | Path, others: Sequence[str] = ()) -> str:
    """Return the format of a file's suffix: JSON lines without one.

    Args:
        path: name of the file.
        others: suffixes that stand for something else, for the message.

    Raises:
        ArtifactError: if the suffix stands for no format.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in _SUFFIXES:
        known = ", ".join([*filter(None, _SUFFIXES), *others])
        raise ArtifactError(
            f"cannot tell what {path} is to hold: expected a name that ends in one of {known}, "
            f"got {suffix}; name another, or say --output-format"
        )
    return _SUFFIXES[suffix.lower()]


class JsonLinesWriter:
    """Writes results as JSON lines, an object per image."""

    def __init__(self, task: Task, stream: Stream) -> None:
        self._task, self._stream = task, stream

    def write(self, result: Result) -> None:
        """Write a line."""
        line = json.dumps(self._task.record(result), ensure_ascii=False)
        line = _RAW_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
        self._stream.write(line + "\n")

    def close(self) -> None:
        """Flush the stream."""
        self._stream.flush()


class CsvWriter:
    """Writes results as comma-separated values, in one or more rows per image.

    Args:
        task: tells columns and rows.
        stream: where to write.
        has_header: whether the stream holds the names of the columns already.
        is_safe: whether to put an apostrophe before a text that a spreadsheet would take for a
            formula and that is no number.
    """

    def __init__(
        self, task: Task, stream: Stream, has_header: bool = False, is_safe: bool = False
    ) -> None:
        self._task, self._stream = task, stream
        self._has_header = has_header
        self._is_safe = is_safe

    def write(self, result: Result) -> None:
        """Write the rows of a result in one piece."""
        self._write(self._task.rows(result))

    def close(self) -> None:
        """Write the names of the columns if there was no row, and flush the stream."""
        if not self._has_header:
            self._write([])
        self._stream.flush()

    def _write(self, values: Sequence[Sequence[object]]) -> None:
        """Write rows, the first together with the names of the columns."""
        piece = io.StringIO()
        columns = self._task.columns
        rows: list[Sequence[object]] = [] if self._has_header else [columns]
        for row in values:
            rows.append((*map(self._cell, row), *[None] * (len(columns) - len(row))))
        csv.writer(piece, lineterminator="\n").writerows(rows)
        self._has_header = True
        self._stream.write(piece.getvalue())

    def _cell(self, value: object) -> object:
        """Return a value as its cell holds it."""
        if not isinstance(value, str):
            return value
        text = escaped(value)
        is_formula = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
        return f"'{text}" if self._is_safe and is_formula else text


class TextWriter:
    """Writes results as PaddleOCR does: the name, a tab, and what its task has there."""

    def __init__(self, task: Task, stream: Stream) -> None:
        self._task, self._stream = task, stream

    def write(self, result: Result) -> None:
        """Write a line."""
        self._stream.write(f"{escaped(result.source or '')}\t{self._task.line(result)}\n")

    def close(self) -> None:
        """Flush the stream."""
        self._stream.flush()


def open_writer(
    task: Task, kind: str, stream: Stream, is_begun: bool = False, is_safe: bool = False
) -> Writer:
    """Return the writer of a format.

    Args:
        task: tells what stands in it.
        kind: `jsonl`, `csv`, `txt`, `labels`, or one that its task alone has.
        stream: where it writes.
        is_begun: whether the stream holds records already.
        is_safe: as `CsvWriter`.
    """
    if (own := task.writer(kind, stream)) is not None:
        return own
    if kind == "csv":
        return CsvWriter(task, stream, is_begun, is_safe)
    if kind in ("txt", "labels"):
        return TextWriter(task, stream)
    return JsonLinesWriter(task, stream)


def name_in(kind: str, name: str) -> str:
    """Return the name of an image in a file of this format, to find it again there.

    Args:
        kind: `jsonl`, `csv` or `txt`.
        name: of the image, or its name in the file already.
    """
    if kind == "jsonl":
        return name
    name = escaped(name)
    is_guarded = kind == "csv" and name.startswith("'") and _FORMULA.match(name[1:])
    return name[1:] if is_guarded else name
