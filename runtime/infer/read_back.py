"""Reads back the results in a file, so that a run can resume from there."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.errors import ArtifactError
from runtime.files import replaced
from runtime.infer.records import name_in
from runtime.infer.task import Task

RESUMABLE = ("jsonl", "csv")


@dataclass
class Done:
    """The results that there are already.

    Args:
        names: name in the file -> number of results of this image.
        num_bytes: length of the complete records; an incomplete one may follow.
        num_failed: number of results of images that could not be read.
        kind: format of the file.
    """

    names: Counter[str] = field(default_factory=Counter)
    num_bytes: int = 0
    num_failed: int = 0
    kind: str = "jsonl"

    def named(self, name: str) -> str:
        """Return the name of an image in `names`."""
        return name_in(self.kind, name)


@dataclass(frozen=True)
class _Record:
    """A record of a file; CSV's row of column names is a record without a name."""

    name: str | None
    is_failed: bool
    data: bytes


def read_back(task: Task, path: str | Path, kind: str) -> Done:
    """Find out what a file of results holds, to continue it.

    Args:
        task: whose results they are to be.
        path: the file; a missing file and a device hold nothing.
        kind: one of `RESUMABLE`.

    Raises:
        ArtifactError: if it cannot be read, or holds something else.
    """
    done = Done(kind=kind)
    for record in _records(task, path, kind):
        if record.name is not None:
            done.names[name_in(kind, record.name)] += 1
        done.num_failed += record.is_failed
        done.num_bytes += len(record.data)
    return done


def drop_failed(task: Task, path: str | Path, kind: str) -> None:
    """Remove the records of images that could not be read; the file is replaced atomically.

    Args:
        task, path, kind: as `read_back`.

    Raises:
        ArtifactError: as `read_back`, or if the file cannot be written anew.
    """
    place = Path(os.path.realpath(path))
    if not place.is_file():
        return
    try:
        with replaced(place) as file:
            for record in _records(task, path, kind):
                if not record.is_failed:
                    file.write(record.data)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path} anew without the images that failed: {error.strerror}; it is "
            "as it was: make room, or leave out --retry-failed"
        ) from error


def _records(task: Task, path: str | Path, kind: str) -> Iterator[_Record]:
    """Yield the complete records of a file, in its order."""
    number = 0
    if os.path.exists(path) and not os.path.isfile(path):
        return  # the writer of results refuses it
    try:
        with open(path, "rb") as file:
            is_json = kind == "jsonl"
            records = _json_records(file, task.entry) if is_json else _csv_records(file, task)
            for record in records:
                yield record
                number += record.name is not None
    except FileNotFoundError:
        return
    except OSError as error:
        raise ArtifactError(
            f"cannot read {path} to continue it: {error.strerror}; check --output"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError, csv.Error) as error:
        raise ArtifactError(
            f"cannot continue {path}: expected {kind} results of this command, got something else "
            f"after {number} records ({error}); name another --output"
        ) from error


def _json_records(file: io.BufferedReader, entry: str) -> Iterator[_Record]:
    """Yield the complete records of JSON lines."""
    for line in file:
        if not line.endswith(b"\n"):
            return
        record = json.loads(line)
        name = record["file"]
        if not isinstance(name, str | None):
            raise ValueError(f"expected a name as file, got {name!r}")
        if entry not in record:
            raise ValueError(f"expected records that have {entry}")
        yield _Record(name, record.get("error") is not None, line)


def _csv_records(file: io.BufferedReader, task: Task) -> Iterator[_Record]:
    """Yield the complete records of CSV, that of the column names first."""
    columns = task.columns
    rows = b""
    is_header = True
    lines: list[bytes] = []
    is_open = False
    for line in file:
        lines.append(line)
        # Within quotes a line end belongs to the value; only other programs write such values.
        is_open ^= bool(line.count(b'"') % 2)
        if is_open or not line.endswith(b"\n"):
            continue
        data, lines = b"".join(lines), []
        row = _row(data, columns, is_header)
        if is_header:
            yield _Record(None, False, data)
            is_header = False
            continue
        rows += data
        if task.rows_to_come(row) <= 0:
            yield _Record(row[0], bool(row[columns.index("error")]), rows)
            rows = b""


def _row(data: bytes, columns: Sequence[str], is_header: bool) -> list[str]:
    """Parse a row of CSV and check its columns."""
    (row,) = csv.reader([data.decode("utf-8", "surrogateescape")], strict=True)
    if len(row) != len(columns) or (is_header and row != [*columns]):
        raise ValueError(f"expected the columns {', '.join(columns)}")
    return row
