"""What became of each image, one JSON line each, so that a killed labelling goes on where it was.

It is no result: whatever in it is damaged, or of images that changed, is simply done again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from training.data.image_sources import Identity

_MOST_LINE_BYTES = 2**24
_ERRORS = "surrogatepass"
"""A name may hold bytes that are no UTF-8."""


class Journal:
    """Records by image name, in a file that only grows.

    Args:
        path: of the file; its folder is there.
        settings: hash of everything besides the images that decides what becomes of them; a
            journal of other settings is begun anew.
        is_valid: tells whether a record still counts, e.g. whether its files are there.
    """

    def __init__(
        self, path: Path, settings: str, is_valid: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        self._path, self._settings, self._is_valid = path, settings, is_valid
        self._places: dict[str, tuple[int, Identity]] = {}

    def __enter__(self) -> Journal:
        """Open the file, behind its last whole line; raises OSError if the disk refuses."""
        self._file = open(self._path, "a+b")
        self._file.seek(0)
        end = self._file.tell()
        if self._line() == {"settings": self._settings}:
            end = self._file.tell()
            while (record := self._line()) is not None:
                if _is_record(record) and self._is_valid(record):
                    size, changed_ns = record["identity"]
                    self._places[record["name"]] = (end, (size, changed_ns))
                end = self._file.tell()
        self._file.truncate(end)
        if end == 0:
            self._write({"settings": self._settings})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def place_of(self, name: str, identity: Identity) -> int | None:
        """Return where the record of an image stands; None without one, or if it has changed."""
        place, found = self._places.get(name, (None, None))
        return place if found == identity else None

    def add(self, record: Mapping[str, Any]) -> int:
        """Write a record, and return where it stands.

        Args:
            record: holds `name` and `identity` besides what JSON can hold.
        """
        self._file.seek(0, os.SEEK_END)
        place = self._file.tell()
        self._write(record)
        return place

    def read(self, place: int) -> dict[str, Any]:
        """Return the record at a place; raises OSError if it is gone."""
        self._file.seek(place)
        record = self._line()
        if record is None:
            raise OSError(f"{self._path} was changed meanwhile")
        return record

    def _write(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, ensure_ascii=False) + "\n"
        self._file.write(text.encode(errors=_ERRORS))
        self._file.flush()

    def _line(self) -> dict[str, Any] | None:
        """Return the next record; None at the end, or where a line is damaged."""
        line = self._file.readline(_MOST_LINE_BYTES)
        if not line.endswith(b"\n"):
            return None
        try:
            record = json.loads(line.decode(errors=_ERRORS))
        except (ValueError, RecursionError):
            return None
        return record if isinstance(record, dict) else None


def _is_record(record: Mapping[str, Any]) -> bool:
    identity = record.get("identity")
    return (
        isinstance(record.get("name"), str)
        and isinstance(identity, list)
        and len(identity) == 2
        and isinstance(record.get("lines"), list)
    )
