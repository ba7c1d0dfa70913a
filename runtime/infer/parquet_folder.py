"""Writes results as a folder of Parquet files, each of them complete once it has its name.

Readers of Parquet (PyArrow, pandas, DuckDB, Spark) read such a folder as a single table. Its
columns are the entries of a JSON line.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from runtime.errors import ArtifactError, EngineError
from runtime.files import replaced
from runtime.infer.read_back import Done
from runtime.infer.task import Result, Task

SUFFIX = ".parquet"

_RECORDS_PER_FILE = 5000
_SECONDS_PER_FILE = (10.0, 300.0)
"""Longest wait of a result for the first file; it doubles with each file up to the second value."""

_ESCAPED_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")


def is_parquet_folder(path: str | Path) -> bool:
    """Tell whether results written there are Parquet: by its suffix, or because it is a folder."""
    name = os.fspath(path)
    return name.lower().endswith(SUFFIX) or name.endswith(os.sep) or os.path.isdir(name)


class ParquetFolder:
    """Writes results in files of a few thousand each, all of which are complete.

    A file is written after `_RECORDS_PER_FILE` results, or once the first of them has waited for
    `_SECONDS_PER_FILE`, whether another result comes or not. A run that is killed loses the
    waiting results.

    Args:
        task: tells the records.
        folder: as `make_folder` makes it.
        may_continue: whether to add to the results in it.

    Raises:
        ArtifactError: if it holds results that are not to be continued.
        EngineError: if PyArrow is not installed.
    """

    def __init__(self, task: Task, folder: str | Path, may_continue: bool) -> None:
        self._arrow, _ = _import_pyarrow()
        self._record, self._schema = task.record, task.schema(self._arrow)
        self._folder = Path(folder)
        self._held: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._seconds, self._most_seconds = _SECONDS_PER_FILE
        self._clock: threading.Timer | None = None
        files = _files(self._folder)
        if files and not may_continue:
            raise ArtifactError(
                f"cannot write into {folder}: expected a folder without results, got "
                f"{len(files)} files of them; go on with --resume, or name another --output"
            )
        self._number = 1 + max((_number(file) for file in files), default=-1)

    def write(self, result: Result) -> None:
        """Hold a result, and write a file if it is due."""
        record = self._record(result)
        for name in ("file", "error"):
            if record[name] is not None:
                # An undecodable byte of a file name is written with JSON's escape.
                record[name] = record[name].encode("utf-8", "backslashreplace").decode()
        with self._lock:
            self._held.append(record)
            if len(self._held) >= _RECORDS_PER_FILE:
                self._write_file()
            elif self._clock is None:
                self._clock = threading.Timer(self._seconds, self._write_in_time)
                self._clock.daemon = True
                self._clock.start()

    def close(self) -> None:
        """Write the results that are still held."""
        with self._lock:
            self._write_file()

    def _write_in_time(self) -> None:
        """Write a file in the timer's thread, and wait longer for the next."""
        with self._lock, contextlib.suppress(ArtifactError):  # the next attempt reports it
            if self._clock is threading.current_thread():
                self._clock = None
                self._seconds = min(2 * self._seconds, self._most_seconds)
                self._write_file()

    def _write_file(self) -> None:
        """Write the held results, if any, to a file; the caller holds the lock."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        if not self._held:
            return
        name = f"part-{self._number:05}{SUFFIX}"
        table = self._arrow.Table.from_pylist(self._held, schema=self._schema)
        try:
            _write(table, self._folder / name)
        except OSError as error:
            raise ArtifactError(
                f"cannot write {self._folder / name}: {error.strerror or error}; the files before "
                f"it are whole, {len(self._held)} results are not written: make room, then go on "
                "with --resume"
            ) from error
        self._number += 1
        self._held = []


def make_folder(folder: str | Path, option: str = "--output") -> None:
    """Create a folder for results, unless it exists.

    Args:
        folder: to create.
        option: what names it, for the remedy of an error.

    Raises:
        ArtifactError: if it cannot be created.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"cannot make the folder {folder}: {error.strerror}; name another {option}"
        ) from error


def read_back_folder(task: Task, folder: str | Path) -> Done:
    """Find out what a folder of results holds; a missing folder holds nothing.

    Args:
        task: whose results they are to be.
        folder: of the results.

    Raises:
        ArtifactError: if a file in it holds something else.
        EngineError: if PyArrow is not installed.
    """
    done = Done()
    for file in _files(Path(folder)):
        columns = _read(task, file, ["file", "error"]).to_pydict()
        done.names.update(_unescape_bytes(name) for name in columns["file"] if name is not None)
        done.num_failed += sum(error is not None for error in columns["error"])
    return done


def drop_failed_in_folder(task: Task, folder: str | Path) -> None:
    """Remove the results of images that could not be read; each file is replaced atomically.

    Args:
        task: whose results they are to be.
        folder: of the results.

    Raises:
        ArtifactError: if a file holds something else, or cannot be written anew.
        EngineError: if PyArrow is not installed.
    """
    for file in _files(Path(folder)):
        table = _read(task, file)
        read = table.filter(table["error"].is_null())
        if not len(read):
            file.unlink()
        elif len(read) < len(table):
            try:
                _write(read, file)
            except OSError as error:
                raise ArtifactError(
                    f"cannot write {file} anew without the images that failed: "
                    f"{error.strerror or error}; it is as it was: make room, or leave out "
                    "--retry-failed"
                ) from error


def _read(task: Task, file: Path, columns: list[str] | None = None) -> Any:
    """Read a table of results.

    Raises:
        ArtifactError: if the file cannot be read or holds something else.
    """
    arrow, parquet = _import_pyarrow()
    try:
        wanted = {"file", "error", task.entry}
        if not wanted <= {*parquet.read_schema(file).names}:
            raise KeyError(f"no column of this name: {', '.join(sorted(wanted))}")
        table = parquet.read_table(file, columns=columns)
    except (OSError, arrow.ArrowException, KeyError) as error:
        raise ArtifactError(
            f"cannot continue {file.parent}: expected results of this command in {file.name}, got "
            f"something else ({' '.join(str(error).split())[:200]}); name another --output"
        ) from error
    return table


def _write(table: Any, file: Path) -> None:
    """Write a file that is complete once it has its name.

    Raises:
        OSError: if it cannot be written.
    """
    with replaced(file) as stream:
        _import_pyarrow()[1].write_table(table, stream, compression="zstd")


def _unescape_bytes(written: str) -> str:
    """Return the file name whose undecodable bytes were written with JSON's escape."""
    return _ESCAPED_BYTE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), written)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob(f"part-*{SUFFIX}") if _number(file) >= 0)


def _number(file: Path) -> int:
    """Return the number in the name of a file of results, -1 for other names."""
    found = re.fullmatch(r"part-(\d+)", file.stem)
    return int(found[1]) if found else -1


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise EngineError(
            f"Parquet is written with PyArrow, which cannot be imported ({error}): "
            "pip install 'distilrec[ray]', or name a file of JSON lines in --output"
        ) from error
