"""Records kept in a small JSON file, newest first, each in place of an earlier one of its place."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from runtime.errors import ArtifactError
from runtime.fields import Field
from runtime.files import write_atomically

logger = logging.getLogger(__name__)

_FORMAT_VERSION = 1
_MOST_KEPT = 64
_MOST_BYTES = 2**20


class Record(Protocol):
    """A dataclass that checks its own fields, of values that JSON holds."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    fields: ClassVar[Mapping[str, Field]]
    """What each may hold."""

    @property
    def place(self) -> tuple[str, ...]:
        """What it holds for."""


Kept = TypeVar("Kept", bound=Record)


class Records(Generic[Kept]):
    """A file of records.

    Args:
        path: of the file, which need not be there.
        kind: of the records.
        key: under which the file lists them.
    """

    def __init__(self, path: Path, kind: type[Kept], key: str) -> None:
        self.path, self._kind, self._key = path, kind, key

    def __iter__(self) -> Iterator[Kept]:
        """Yield what is kept; nothing where there is nothing, or what cannot be read."""
        return iter(self._read())

    def keep(self, *records: Kept) -> None:
        """Keep records in place of earlier ones of the same places.

        Raises:
            OSError: if the folder refuses.
        """
        self.replace(records, {record.place for record in records})

    def replace(self, records: tuple[Kept, ...], places: set[tuple[str, ...]]) -> None:
        """Keep records, and forget what was kept of some places.

        Raises:
            OSError: if the folder refuses.
        """
        others = [record for record in self._read() if record.place not in places]
        kept = [asdict(record) for record in (*records, *others)][:_MOST_KEPT]
        entries = {"format_version": _FORMAT_VERSION, self._key: kept}
        write_atomically(self.path, (json.dumps(entries, indent=2) + "\n").encode())

    def _read(self) -> list[Kept]:
        try:
            with self.path.open("rb") as file:
                data = file.read(_MOST_BYTES)
            return [self._record(entries) for entries in json.loads(data)[self._key]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError, ArtifactError) as error:
            reason = " ".join(str(error).split())
            logger.warning("%s cannot be read and is left out: %s", self.path, reason)
            return []

    def _record(self, entries: Any) -> Kept:
        return self._kind(**{name: entries[name] for name in self._kind.fields})
