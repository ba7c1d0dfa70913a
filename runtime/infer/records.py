"""Results for programs: JSON lines, CSV, and PaddleOCR's text.

Every format has one record per image, and a record is one line, written in one piece, so that a
file can be cut after its last whole record and continued. No control character stands in it as it
is: JSON has its own escapes for them, the other formats write `\\x1b`.
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
"""How each format writes an undecodable byte of a file name: as JSON's \\udcXX, or as it is."""

_RAW_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029]")
"""Control characters and line ends that JSON lets stand within a string."""

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+(?:[.,][0-9]+)*%?")
_COLUMNS = ("file", "text", "confidence", "width_px", "height_px", "warnings", "error")


class Stream(Protocol):
    """Where records go."""

    def write(self, text: str, /) -> int:
        """Take one record."""

    def flush(self) -> None:
        """Hand all records to the system."""


class Writer(Protocol):
    """Takes results one by one."""

    def write(self, recognition: Recognition) -> None:
        """Add one result."""

    def close(self) -> None:
        """Write what is still held."""


def format_of(path: str | Path, otherwise: str) -> str:
    """The format that a file's suffix asks for, `otherwise` if it asks for none."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    return suffix if suffix in ENCODING_ERRORS else otherwise


class JsonLinesWriter:
    """Writes recognitions as JSON lines, one object per image."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, recognition: Recognition) -> None:
        """Add one line."""
        record = record_from_recognition(recognition)
        line = json.dumps(record, ensure_ascii=False)
        self._stream.write(_RAW_IN_JSON.sub(_json_escape, line) + "\n")

    def close(self) -> None:
        """Hand all lines to the system."""
        self._stream.flush()


class CsvWriter:
    """Writes recognitions as comma-separated values, one row per image.

    Args:
        stream: where to write.
        has_header: whether the names of the columns stand there already.
        alternatives: how many of them have columns, two each.
        is_safe: whether a text that a spreadsheet would take for a formula, and that is no
            number, gets an apostrophe in front.
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
        """Add one row."""
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
                for one in recognition.alternatives
                for value in (one.text, rounded(one.probability))
            ),
        )

    def close(self) -> None:
        """Hand all rows to the system."""
        if not self._has_header:
            self._write()
        self._stream.flush()

    def _write(self, *values: object) -> None:
        """Write one row, the first one together with the names of the columns."""
        piece = io.StringIO()
        rows: list[Sequence[object]] = [] if self._has_header else [self._columns]
        if values:
            missing = len(self._columns) - len(values)
            rows.append((*map(self._cell, values), *[None] * missing))
        csv.writer(piece, lineterminator="\n").writerows(rows)
        self._has_header = True
        self._stream.write(piece.getvalue())

    def _cell(self, value: object) -> object:
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
        """Add one line."""
        name, text = escaped(recognition.source or ""), escaped(recognition.text)
        self._stream.write(f"{name}\t{text}\t{rounded(recognition.confidence)}\n")

    def close(self) -> None:
        """Hand all lines to the system."""
        self._stream.flush()


def open_writer(
    kind: str,
    stream: Stream,
    is_begun: bool = False,
    alternatives: int = 0,
    is_safe: bool = False,
) -> Writer:
    """The writer of a format.

    Args:
        kind: `jsonl`, `csv` or `txt`.
        stream: where it writes.
        is_begun: whether records stand there already.
        alternatives: how many each result brings along; `txt` has no place for them.
        is_safe: as `CsvWriter`.
    """
    if kind == "csv":
        return CsvWriter(stream, is_begun, alternatives, is_safe)
    return TextWriter(stream) if kind == "txt" else JsonLinesWriter(stream)


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def columns_of(alternatives: int) -> tuple[str, ...]:
    """The names of the columns of a CSV file with so many alternatives."""
    numbers = range(1, alternatives + 1)
    pairs = (name for one in numbers for name in (f"alternative_{one}", f"probability_{one}"))
    return (*_COLUMNS, *pairs)


def name_in(kind: str, name: str) -> str:
    """How a file of this format names an image, to find it again there.

    Args:
        kind: `jsonl`, `csv` or `txt`.
        name: of the image, or what stands for it in the file already.
    """
    if kind == "jsonl":
        return name
    name = escaped(name)
    is_guarded = kind == "csv" and name.startswith("'") and _FORMULA.match(name[1:])
    return name[1:] if is_guarded else name
