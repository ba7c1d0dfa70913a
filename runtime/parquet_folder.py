"""Results as a folder of Parquet files, each of them whole from the moment it has its name.

Readers of Parquet (PyArrow, pandas, DuckDB, Spark) take such a folder for one table. Its columns
are the entries of a JSON line.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

from runtime.errors import ArtifactError, EngineError
from runtime.recognition import Recognition
from runtime.records import Done, record_from_recognition

SUFFIX = ".parquet"

_RECORDS_PER_FILE = 5000
_ESCAPED_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")


def is_parquet_folder(path: str | Path) -> bool:
    """Whether results written there are Parquet: by its suffix, or because it is a folder."""
    name = os.fspath(path)
    return name.lower().endswith(SUFFIX) or name.endswith(os.sep) or os.path.isdir(name)


class ParquetFolder:
    """A writer of results, a file for every few thousand; what a run leaves behind is whole files.

    Args:
        folder: made if it is not there.
        may_continue: whether to add to what it holds.

    Raises:
        ArtifactError: if it cannot be made, or holds results that are not to be continued.
        EngineError: if PyArrow is not installed.
    """

    def __init__(self, folder: str | Path, may_continue: bool) -> None:
        self._arrow, self._parquet = _import_pyarrow()
        self._schema = _schema(self._arrow)
        self._folder = Path(folder)
        self._held: list[dict[str, Any]] = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtifactError(
                f"cannot make the folder {folder}: {error.strerror}; name another --output"
            ) from error
        files = _files(self._folder)
        if files and not may_continue:
            raise ArtifactError(
                f"cannot write into {folder}: expected a folder without results, got "
                f"{len(files)} files of them; go on with --resume, or name another --output"
            )
        self._number = 1 + max((_number(one) for one in files), default=-1)

    def write(self, recognition: Recognition) -> None:
        """Add one result."""
        record = record_from_recognition(recognition)
        for name in ("file", "error"):
            if record[name] is not None:
                # An undecodable byte of a file name is written as JSON has it.
                record[name] = record[name].encode("utf-8", "backslashreplace").decode()
        self._held.append(record)
        if len(self._held) == _RECORDS_PER_FILE:
            self._write_file()

    def close(self) -> None:
        """Write what is still held."""
        if self._held:
            self._write_file()

    def _write_file(self) -> None:
        name = f"part-{self._number:05}{SUFFIX}"
        temporary = self._folder / f".{name}.{os.getpid()}.tmp"
        table = self._arrow.Table.from_pylist(self._held, schema=self._schema)
        try:
            with temporary.open("wb") as file:
                self._parquet.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / name)
        except OSError as error:
            raise ArtifactError(
                f"cannot write {self._folder / name}: {error.strerror}; the files before it are "
                "whole: make room, then go on with --resume"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        self._number += 1
        self._held = []


def read_back_folder(folder: str | Path) -> Done:
    """What a folder of results holds; one that does not exist holds nothing.

    Raises:
        ArtifactError: if a file in it holds something else.
        EngineError: if PyArrow is not installed.
    """
    arrow, parquet = _import_pyarrow()
    names: Counter[str] = Counter()
    for file in _files(Path(folder)):
        try:
            column = parquet.read_table(file, columns=["file"])["file"].to_pylist()
        except (OSError, arrow.ArrowException, KeyError) as error:
            raise ArtifactError(
                f"cannot continue {folder}: expected results of this command in {file.name}, got "
                f"something else ({' '.join(str(error).split())[:200]}); name another --output"
            ) from error
        names.update(_as_named(name) for name in column if name is not None)
    return Done(names)


def _as_named(written: str) -> str:
    return _ESCAPED_BYTE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), written)


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.glob(f"part-*{SUFFIX}") if _number(one) >= 0)


def _number(file: Path) -> int:
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


def _schema(arrow: Any) -> Any:
    """The columns, which do not depend on what was read."""
    text, number, whole = arrow.string(), arrow.float64(), arrow.int32()
    box = arrow.list_(number)
    character = {"text": text, "confidence": number, "time_step": whole, "last_time_step": whole}
    word = {"text": text, "kind": text, "confidence": number, "box": box}
    alternative = {"text": text, "probability": number}

    def list_of(fields: dict[str, Any]) -> Any:
        return arrow.list_(arrow.struct(list(fields.items())))

    columns = {
        "file": text,
        "text": text,
        "confidence": number,
        "characters": list_of({**character, "box": box}),
        "words": list_of(word),
        "width_px": whole,
        "height_px": whole,
        "input_width_px": whole,
        "warnings": arrow.list_(text),
        "error": text,
        "alternatives": list_of(alternative),
    }
    return arrow.schema(list(columns.items()))
