"""Keeps what teachers read: bytes by key in one file, bounded, shared by any number of processes.

It is SQLite's write-ahead log that makes it safe: what a killed process was writing is not there
when the next one looks. Losing the file costs time alone, so whatever is wrong with it is logged
and never ends a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

FILE_NAME = "teacher_readings.sqlite"
_FORMAT = 1
_BUSY_S = 30.0
_OPENING_TRIES, _OPENING_WAIT_S = 20, 0.1
_REFRESH_S = 60
"""A time of last use is written anew when it is so old: each of them is a write."""
_LEFT_SHARE = 0.9
_CHECKSUM_BYTES = 4
_SETTINGS = (
    "PRAGMA auto_vacuum = INCREMENTAL",  # counts for a new file alone, before its first table
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA trusted_schema = OFF",
)
_TABLES = (
    "CREATE TABLE readings (key BLOB PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL)",
    "CREATE INDEX readings_by_use ON readings (used)",
    f"PRAGMA user_version = {_FORMAT}",
)
Done = TypeVar("Done")
Identity = tuple[int, int]


class ReadingCache:
    """Bytes by key; those that were not used for longest leave when there are too many.

    Args:
        folder: of the file; made when it is first needed.
        most_bytes: of the file; 0 keeps nothing.
        clock: tells the time in seconds.
    """

    def __init__(
        self, folder: Path, most_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = folder / FILE_NAME
        self.most_bytes = most_bytes
        self._clock = clock
        self._is_off = most_bytes <= 0
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._lock = threading.Lock()

    def get(self, key: bytes) -> bytes | None:
        """Return what was put under a key; None where there is nothing, or it is damaged."""

        def find(connection: sqlite3.Connection) -> bytes | None:
            found = connection.execute(
                "SELECT value, used FROM readings WHERE key = ?", (key,)
            ).fetchone()
            if found is None:
                return None
            value, used = found
            now = int(self._clock())
            if now - used >= _REFRESH_S:
                connection.execute("UPDATE readings SET used = ? WHERE key = ?", (now, key))
            return _checked(value)

        return self._guarded(find)

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value under a key; a value larger than half of the bound is not kept."""
        if len(value) > self.most_bytes // 2:
            return
        row = (key, zlib.crc32(value).to_bytes(_CHECKSUM_BYTES, "little") + value)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO readings (key, value, used) VALUES (?, ?, ?)",
                (*row, int(self._clock())),
            )
            if _num_bytes(connection) > self.most_bytes:
                self._make_room(connection)

        self._guarded(write)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _guarded(self, work: Callable[[sqlite3.Connection], Done]) -> Done | None:
        """Do something with the open file; whatever it fails on is logged, and gives None."""
        with self._lock:
            for _ in range(2):
                if self._is_off:
                    return None
                try:
                    return work(self._opened())
                except sqlite3.OperationalError as error:
                    if _is_busy(error):  # another process has been writing for long
                        return None
                    self._switch_off(error)
                except sqlite3.DatabaseError as error:
                    self._put_aside(error)
                except OSError as error:
                    self._switch_off(error)
            self._switch_off("it is damaged again")
            return None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._identity = _identity(self.path)
        try:
            _prepare(connection)
            if _num_bytes(connection) > self.most_bytes:  # of a run with a higher bound
                self._make_room(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Remove what was not used for longest, until a tenth of the bound is free."""
        with _transaction(connection):
            while (excess := _num_bytes(connection) - _LEFT_SHARE * self.most_bytes) > 0:
                (count,) = connection.execute("SELECT count(*) FROM readings").fetchone()
                if not count:
                    break
                # As many as their mean size asks for, and then again where these were smaller.
                share = excess / _num_bytes(connection)
                connection.execute(
                    "DELETE FROM readings WHERE rowid IN "
                    "(SELECT rowid FROM readings ORDER BY used, rowid LIMIT ?)",
                    (max(1, int(share * count)),),
                )
        # `execute` would go one step, which gives back one page.
        connection.executescript("PRAGMA incremental_vacuum")

    def _put_aside(self, error: sqlite3.DatabaseError) -> None:
        """Rename a damaged file, unless another process has done so, that a new one is made."""
        self.close()
        if _identity(self.path) != self._identity:
            return
        aside = self.path.with_suffix(".damaged")
        log.warning(
            "%s is damaged (%s): it is kept as %s, and what teachers read is kept anew",
            *(self.path, error, aside.name),
        )
        try:
            os.replace(self.path, aside)
            for ending in ("-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        except OSError as refusal:
            self._switch_off(refusal)

    def _switch_off(self, why: object) -> None:
        self.close()
        self._is_off = True
        log.warning(
            "%s cannot be used (%s): what teachers read is not kept, and read again in every "
            "epoch; name a folder that can be written to as cache_dir, or set cache_mib: 0",
            *(self.path, why),
        )


def key_of(view: str, image: NDArray[np.uint8]) -> bytes:
    """Return the key of what a teacher reads in an image.

    Args:
        view: hash of everything besides the image that decides it.
        image: of any shape.
    """
    digest = hashlib.sha256(f"{view} {image.shape} {image.dtype}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the table, where it is not there; raises DatabaseError for another's file."""
    for attempt in range(_OPENING_TRIES):
        try:
            for statement in _SETTINGS:
                connection.execute(statement).fetchall()
            with _transaction(connection):
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                (num_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if num_tables and version != _FORMAT:
                    raise sqlite3.DatabaseError(f"expected format {_FORMAT}, got {version}")
                for statement in () if num_tables else _TABLES:
                    connection.execute(statement)
        except sqlite3.OperationalError as error:
            # Two processes that make the file at once: changing the journal does not wait.
            if not _is_busy(error) or attempt == _OPENING_TRIES - 1:
                raise
            time.sleep(_OPENING_WAIT_S)
        else:
            return


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do everything in the block, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return "locked" in str(error) or "busy" in str(error)


def _num_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of what the file holds, without pages that are free."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _identity(path: Path) -> Identity | None:
    """Return what tells a file from another one that took its name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _checked(row: object) -> bytes | None:
    """Return a value without its checksum; None where that is another's."""
    if not isinstance(row, bytes):
        return None
    checksum, value = row[:_CHECKSUM_BYTES], row[_CHECKSUM_BYTES:]
    return value if checksum == zlib.crc32(value).to_bytes(_CHECKSUM_BYTES, "little") else None
