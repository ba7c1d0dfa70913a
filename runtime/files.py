"""Files that are there whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, TextIO

from runtime.errors import ArtifactError

_PACKAGES = Path(__file__).parents[1]
"""A checkout, or the folder into which a wheel's packages are installed."""
_SHARE = Path("share", "distilrec")

_log = logging.getLogger(__name__)


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its place once the block has ended.

    It is flushed to the disk and renamed. When the block fails it is removed, and what stood at
    `path` before is untouched.

    Raises:
        OSError: if the disk refuses.
    """
    part = part_path(path)
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def folders_along() -> tuple[Path, ...]:
    """Return the folders that may hold what comes with the project: a checkout, a wheel's share.

    The share of a wheel is below the environment's prefix, the user's, or, after `pip install
    --target`, beside the packages.
    """
    prefixes = (_PACKAGES, *_PACKAGES.parents[1:3], Path(sys.prefix))
    return (_PACKAGES, *dict.fromkeys(prefix / _SHARE for prefix in prefixes))


def places_along(file: str | Path) -> tuple[Path, ...]:
    """Return where a file that comes with the project may be.

    Args:
        file: below the checkout.
    """
    return tuple(folder / file for folder in folders_along())


def found_along(file: str | Path) -> Path:
    """Return the path of a file; of one that comes with the project where the path leads nowhere.

    Which one is taken then is logged.

    Args:
        file: as it was named; looked for in the working folder first.
    """
    path = Path(file)
    if path.is_absolute() or ".." in path.parts or os.path.exists(path):
        return path
    for place in places_along(path):
        if os.path.isfile(place):
            _tell_of(path, place)
            return place
    return path


def short_name(path: Path) -> str:
    """Return a file's name for a message: of one that comes along, as it is named in a checkout."""
    for folder in folders_along():
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return str(path)


@cache
def _tell_of(path: Path, place: Path) -> None:
    """Log once which file is taken."""
    _log.info("%s is not in the working folder; what comes along is taken: %s", path, place)


def user_cache() -> Path:
    """Return the folder of this user's for what can be made again."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(given) if given else Path.home() / ".cache") / "distilrec"
    except RuntimeError:  # a user without a home
        return Path("output") / "cache"


def part_path(path: Path) -> Path:
    """Return where this process writes a file before it takes its place."""
    return path.with_name(f".{path.name}.part{os.getpid()}")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; its folder is made.

    Raises:
        OSError: if the disk refuses; what stood at `path` before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as file:
        file.write(data)


@contextmanager
def written_atomically(path: str | Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file that gets its name only once the block has ended.

    Raises:
        ArtifactError: if the place cannot be written to, or is no ordinary file.
    """
    place = Path(path).resolve()  # a link stays a link; what it points to is replaced
    if place.exists() and not place.is_file():
        raise ArtifactError(
            f"cannot write {path}: expected the name of a file, got a folder or a "
            "device; name a file"
        )
    try:
        with replaced(place) as file:
            # An undecodable byte in a file name becomes \udcXX, which JSON reads back.
            stream = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="\n")
            yield stream
            stream.flush()
            stream.detach()
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path}: {error.strerror}; name a file in a folder that exists and may "
            "be written to"
        ) from error


def sha256_of(data: bytes | memoryview) -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, a piece of it in memory at a time."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
