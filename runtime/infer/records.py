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

from runtime.infer.table import escaped
from runtime.recognition.record import record_from_recognition, rounded
from runtime.recognition.result import Recognition

ENCODING_ERRORS = {"jsonl": "backslashreplace", "csv": "surrogateescape", "txt": "surrogateescape"}
"""How each format writes an undecodable byte of a file name: as JSON's \\udcXX, or unchanged."""

_RAW_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029]")
"""Control characters and line ends that JSON allows within a string."""

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+(?:[.,][0-9]+)*%?")
_COLUMNS = ("file", "text", "confidence", "width_px", "height_px", "warnings", "error")


class Stream(Protocol):
    """A text stream to which records are written."""

    def write(self, text: str, /) -> int:
        """Write a record."""

    def flush(self) -> None:
        """Write buffered records to the file."""


class Writer(Protocol):
    """Writes results in a format."""

    def write(self, recognition: Recognition) -> None:
        """Write a result."""

    def close(self) -> None:
        """Write the results that are still held."""


def format_of(path: str | Path, otherwise: str) -> str:
    """Return the format of a file's suffix, or `otherwise` for other suffixes."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    return suffix if suffix in ENCODING_ERRORS else otherwise


class JsonLinesWriter:
    """Writes recognitions as JSON lines, an object per image."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, recognition: Recognition) -> None:
        """Write a line."""
        record = record_from_recognition(recognition)
        line = json.dumps(record, ensure_ascii=False)
        line = _RAW_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
        self._stream.write(line + "\n")

    def close(self) -> None:
        """Flush the stream."""
        self._stream.flush()


class CsvWriter:
    """Writes recognitions as comma-separated values, a row per image.

    Args:
        stream: where to write.
        has_header: whether the stream holds the names of the columns already.
        alternatives: number of alternatives that have columns, two each.
        is_safe: whether to put an apostrophe before a text that a spreadsheet would take for a
            formula and that is no number.
    """

    def __init__(
        self,
        stream: Stream,
        has_header: bool = False,
        alternatives: int = 0,
        is_safe: bool = False,
    ) -> None:
        self._stream = stream
        self._has_header = has_header
        self._columns = columns_of(alternatives)
        self._is_safe = is_safe

    def write(self, recognition: Recognition) -> None:
        """Write a row."""
        self._write(
            recognition.source,
            recognition.text,
            rounded(recognition.confidence),
            recognition.width_px,
            recognition.height_px,
            "; ".join(recognition.warnings),
            recognition.error,
            *(
                value
                for text, probability in recognition.alternatives
                for value in (text, rounded(probability))
            ),
        )

    def close(self) -> None:
        """Write the names of the columns if there was no row, and flush the stream."""
        if not self._has_header:
            self._write()
        self._stream.flush()

    def _write(self, *values: object) -> None:
        """Write a row, the first together with the names of the columns."""
        piece = io.StringIO()
        rows: list[Sequence[object]] = [] if self._has_header else [self._columns]
        if values:
            missing = len(self._columns) - len(values)
            rows.append((*map(self._cell, values), *[None] * missing))
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
    """Writes recognitions as PaddleOCR's `tools/infer_rec.py` does: path, text, score, by tabs.

    An image that could not be read has an empty text and the score 0.0; the format has no place
    for the reason.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, recognition: Recognition) -> None:
        """Write a line."""
        name, text = escaped(recognition.source or ""), escaped(recognition.text)
        self._stream.write(f"{name}\t{text}\t{rounded(recognition.confidence)}\n")

    def close(self) -> None:
        """Flush the stream."""
        self._stream.flush()


def open_writer(
    kind: str,
    stream: Stream,
    is_begun: bool = False,
    alternatives: int = 0,
    is_safe: bool = False,
) -> Writer:
    """Return the writer of a format.

    Args:
        kind: `jsonl`, `csv` or `txt`.
        stream: where it writes.
        is_begun: whether the stream holds records already.
        alternatives: number of each result's alternatives; `txt` has no place for them.
        is_safe: as `CsvWriter`.
    """
    if kind == "csv":
        return CsvWriter(stream, is_begun, alternatives, is_safe)
    return TextWriter(stream) if kind == "txt" else JsonLinesWriter(stream)


def columns_of(alternatives: int) -> tuple[str, ...]:
    """Return the names of the columns of a CSV file with this number of alternatives."""
    names = (
        f"{name}_{rank}"
        for rank in range(1, alternatives + 1)
        for name in ("alternative", "probability")
    )
    return (*_COLUMNS, *names)


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
