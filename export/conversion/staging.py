"""Several files that take their places together, or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.errors import ArtifactError
from runtime.lock import OutputLock

_PREFIX = ".export-"
_OWN = re.compile(re.escape(_PREFIX) + r"(\d+)(-\w+)?")
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_WAIT_S, _MOST_WAITS = 0.1, 300
_in_use: set[str] = set()
"""Names of the folders that blocks of this process are writing into."""


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A folder to write into, whose files move to `target` when the block ends well.

    It lies inside `target`, so that a full disk is met before anything of an earlier export is
    touched, and moving is renaming. When the block fails, nothing of it is left; what a killed
    process left is removed by the next one.

    Args:
        target: the folder in which the files are wanted; made if missing.

    Raises:
        ArtifactError: if the disk refuses; what stood in `target` before is untouched.
    """
    made: list[Path] = []
    folder: Path | None = None
    try:
        try:
            made = _make(target)
            _remove_leftovers(target)
            folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=target))
            _in_use.add(folder.name)
        except OSError as error:
            raise _refused(target, error) from error
        try:
            yield folder
        except OSError as error:
            if error.errno in _OF_THE_DISK:
                raise _refused(target, error) from error
            raise
        try:
            _move_alone(folder, target)
        except OSError as error:
            raise _refused(target, error) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
            _in_use.discard(folder.name)
        for one in reversed(made):
            with suppress(OSError):  # holds something: it stays
                one.rmdir()


def _make(target: Path) -> list[Path]:
    """Make a folder; those that were not there before, outermost first."""
    missing = [one for one in (target, *target.parents) if not one.exists()]
    target.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _move_alone(folder: Path, target: Path) -> None:
    """Move while no other export moves its files there, so that sets do not mix.

    Raises:
        ArtifactError: if another one does so for longer than moving takes.
    """
    for _ in range(_MOST_WAITS):
        with suppress(ArtifactError), OutputLock(target / "export", "output folder"):
            _move(folder, target)
            return
        time.sleep(_WAIT_S)
    with OutputLock(target / "export", "output folder"):
        _move(folder, target)


def _move(folder: Path, target: Path) -> None:
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    places = [target / file.relative_to(folder) for file in files]
    for file, place in zip(files, places, strict=True):
        _flush(file)
        # What can refuse is asked before the first file moves.
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{place} is a folder")
    for file, place in zip(files, places, strict=True):
        file.replace(place)


def _refused(target: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"cannot write in {target}: {error.strerror or error}; give a folder on a disk with room "
        "that may be written to"
    )


def _flush(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _remove_leftovers(target: Path) -> None:
    for one in target.glob(f"{_PREFIX}*"):
        match = _OWN.fullmatch(one.name)
        if match and one.name not in _in_use and not _is_running(int(match[1])):
            shutil.rmtree(one, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return process != os.getpid()
