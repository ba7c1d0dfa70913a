"""Results for programs: JSON lines, CSV, and PaddleOCR's text; and what such a file holds already.

Every format has one record per image, and a record is written in one piece, so that a file can be
cut after its last whole record and continued.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from runtime.boxes import Box
from runtime.errors import ArtifactError
from runtime.recognition import Recognition

ENCODING_ERRORS = {"jsonl": "backslashreplace", "csv": "surrogateescape", "txt": "surrogateescape"}
"""How each format writes an undecodable byte of a file name: as JSON's \\udcXX, or as it is."""

RESUMABLE = ("jsonl", "csv")

_CONFIDENCE_DECIMALS = 6
_PX_DECIMALS = 1
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


def record_from_recognition(recognition: Recognition) -> dict[str, Any]:
    """What one JSON line says about one image; boxes are left, top, right, bottom in px.

    The entry `alternatives` is there only where they were asked for and something was read.
    """
    record = {
        "file": recognition.source,
        "text": recognition.text,
        "confidence": _confidence(recognition.confidence),
        "characters": [
            {
                "text": text,
                "confidence": _confidence(confidence),
                "time_step": time_step,
                "last_time_step": last_time_step,
                "box": _px(box),
            }
            for text, confidence, time_step, last_time_step, box in zip(
                recognition.characters,
                recognition.character_confidences,
                recognition.time_steps,
                recognition.last_time_steps or recognition.time_steps,
                recognition.character_boxes,
                strict=True,
            )
        ],
        "words": [
            {
                "text": word.text,
                "kind": word.kind,
                "confidence": _confidence(word.confidence),
                "box": _px(word.box),
            }
            for word in recognition.words
        ],
        "width_px": recognition.width_px,
        "height_px": recognition.height_px,
        "input_width_px": recognition.input_width_px,
        "warnings": list(recognition.warnings),
        "error": recognition.error,
    }
    if recognition.alternatives:
        record["alternatives"] = [
            {"text": one.text, "probability": _confidence(one.probability)}
            for one in recognition.alternatives
        ]
    return record


class JsonLinesWriter:
    """Writes recognitions as JSON lines, one object per image."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, recognition: Recognition) -> None:
        """Add one line."""
        record = record_from_recognition(recognition)
        self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Hand all lines to the system."""
        self._stream.flush()


class CsvWriter:
    """Writes recognitions as comma-separated values, one row per image.

    Args:
        stream: where to write.
        has_header: whether the names of the columns stand there already.
        alternatives: how many of them have columns, two each.
    """

    def __init__(self, stream: Stream, has_header: bool = False, alternatives: int = 0) -> None:
        self._stream = stream
        self._has_header = has_header
        self._columns = _columns(alternatives)

    def write(self, recognition: Recognition) -> None:
        """Add one row."""
        self._write(
            recognition.source,
            recognition.text,
            _confidence(recognition.confidence),
            recognition.width_px,
            recognition.height_px,
            "; ".join(recognition.warnings),
            recognition.error,
            *(
                value
                for one in recognition.alternatives
                for value in (one.text, _confidence(one.probability))
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
            rows.append((*values, *[None] * (len(self._columns) - len(values))))
        csv.writer(piece, lineterminator="\n").writerows(rows)
        self._has_header = True
        self._stream.write(piece.getvalue())


class TextWriter:
    """Writes recognitions as PaddleOCR's `tools/infer_rec.py` does: path, text, score, by tabs.

    An image that could not be read has an empty text and the score 0.0; the format has no place
    for the reason.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, recognition: Recognition) -> None:
        """Add one line."""
        fields = (recognition.source or "", recognition.text)
        name, text = (" ".join(field.splitlines()).replace("\t", " ") for field in fields)
        self._stream.write(f"{name}\t{text}\t{_confidence(recognition.confidence)}\n")

    def close(self) -> None:
        """Hand all lines to the system."""
        self._stream.flush()


def open_writer(kind: str, stream: Stream, is_begun: bool = False, alternatives: int = 0) -> Writer:
    """The writer of a format.

    Args:
        kind: `jsonl`, `csv` or `txt`.
        stream: where it writes.
        is_begun: whether records stand there already.
        alternatives: how many each result brings along; `txt` has no place for them.
    """
    if kind == "csv":
        return CsvWriter(stream, is_begun, alternatives)
    return TextWriter(stream) if kind == "txt" else JsonLinesWriter(stream)


@dataclass(frozen=True)
class Done:
    """What a file of results holds already.

    Args:
        names: how often each image is in it.
        num_bytes: length of its whole records; what follows is a record begun and not finished.
    """

    names: Counter[str] = field(default_factory=Counter)
    num_bytes: int = 0


def read_back(path: str | Path, kind: str, alternatives: int = 0) -> Done:
    """Find out what a file of results holds, to continue it.

    Args:
        path: the file; one that does not exist holds nothing.
        kind: one of `RESUMABLE`.
        alternatives: how many its results bring along.

    Raises:
        ArtifactError: if it cannot be read, or holds something else.
    """
    done = Done()
    try:
        with open(path, "rb") as file:
            is_json = kind == "jsonl"
            records = _json_records(file) if is_json else _csv_records(file, _columns(alternatives))
            for name, num_bytes in records:
                if name is not None:
                    done.names[name] += 1
                done = Done(done.names, done.num_bytes + num_bytes)
    except FileNotFoundError:
        return done
    except OSError as error:
        raise ArtifactError(
            f"cannot read {path} to continue it: {error.strerror}; check --output"
        ) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise ArtifactError(
            f"cannot continue {path}: expected {kind} results of this command, got something else "
            f"after {sum(done.names.values())} records ({error}); name another --output"
        ) from error
    return done


def _json_records(file: io.BufferedReader) -> Iterator[tuple[str | None, int]]:
    for line in file:
        if not line.endswith(b"\n"):
            return
        yield json.loads(line)["file"], len(line)


def _columns(alternatives: int) -> tuple[str, ...]:
    """The names of the columns of a CSV file."""
    numbers = range(1, alternatives + 1)
    pairs = (name for one in numbers for name in (f"alternative_{one}", f"probability_{one}"))
    return (*_COLUMNS, *pairs)


def _csv_records(
    file: io.BufferedReader, columns: Sequence[str]
) -> Iterator[tuple[str | None, int]]:
    is_header = True
    record = b""
    for line in file:
        record += line
        # Within quotes a line end belongs to the value.
        if not line.endswith(b"\n") or record.count(b'"') % 2:
            continue
        (row,) = csv.reader([record.decode("utf-8", "surrogateescape")], strict=True)
        if len(row) != len(columns) or (is_header and row != [*columns]):
            raise ValueError(f"expected the columns {', '.join(columns)}")
        yield None if is_header else row[0], len(record)
        is_header, record = False, b""


def _confidence(value: float) -> float:
    return round(value, _CONFIDENCE_DECIMALS)


def _px(box: Box) -> list[float]:
    return [round(edge, _PX_DECIMALS) for edge in box]
