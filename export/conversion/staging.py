"""Several files that take their places together, or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from runtime.errors import ArtifactError
from runtime.lock import OutputLock

_PREFIX = ".export-"
_COMPLETE = ".exported-"
"""A folder of this name holds a whole set, some of which may have moved already."""
_OWN = re.compile(rf"({re.escape(_PREFIX)}|{re.escape(_COMPLETE)})(\d+)(-\w+)?")
_LOCK, _BEFORE = ".lock", ".before"
"""Within such a folder: whoever writes there holds the lock; files that were there before."""
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_WAIT_S, _MOST_WAITS = 0.1, 300
_in_use: set[str] = set()
"""Names of the folders that blocks of this process are writing into."""


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Yield a folder to write into, whose files move to `target` when the block ends well.

    It lies inside `target`, so that a full disk is met before anything of an earlier export is
    touched, and moving is renaming. When the block fails, nothing of it is left. What a killed
    process left is removed by the next one, or, if it was killed while its files moved, moved to
    the end.

    Args:
        target: the folder in which the files are wanted; made if missing.

    Raises:
        ArtifactError: if the disk refuses; what stood in `target` before is untouched.
    """
    made: list[Path] = []
    with ExitStack() as stack:
        stack.callback(_unmake, made)
        try:
            made += _make(target)
            _settle_leftovers(target)
            folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=target))
            _in_use.add(folder.name)
            stack.callback(_discard, folder)
            # The number of a process says little where several machines share the disk.
            stack.enter_context(OutputLock(folder, "output folder"))
        except OSError as error:
            raise _disk_error(target, error) from error
        try:
            yield folder
        except OSError as error:
            if error.errno in _OF_THE_DISK:
                raise _disk_error(target, error) from error
            raise
        try:
            with _exclusively(target):
                _move(folder, target)
        except OSError as error:
            raise _disk_error(target, error) from error


def _make(target: Path) -> list[Path]:
    """Make a folder; return those that were not there before, outermost first."""
    missing = [folder for folder in (target, *target.parents) if not folder.exists()]
    target.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _unmake(made: list[Path]) -> None:
    for folder in reversed(made):
        with suppress(OSError):  # holds something: it stays
            folder.rmdir()


def _discard(folder: Path) -> None:
    for name in (folder, _complete_name(folder)):
        shutil.rmtree(name, ignore_errors=True)
    _in_use.discard(folder.name)


def _complete_name(folder: Path) -> Path:
    return folder.with_name(_COMPLETE + folder.name.removeprefix(_PREFIX))


@contextmanager
def _exclusively(target: Path) -> Iterator[None]:
    """Wait until no other export moves its files to a folder, so that sets do not mix.

    Raises:
        ArtifactError: if another one does so for longer than moving takes.
    """
    lock = OutputLock(target / "export", "output folder")
    for _ in range(_MOST_WAITS):
        with suppress(ArtifactError):
            lock.__enter__()
            break
        time.sleep(_WAIT_S)
    else:
        lock.__enter__()
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _move(folder: Path, target: Path) -> None:
    files = _files(folder)
    places = [target / file for file in files]
    for file, place in zip(files, places, strict=True):
        _flush(folder / file)
        # What can refuse is asked before the first file moves.
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{place} is a folder")
    # From here on a run that is killed has exported: the next one moves what is left.
    complete = folder.rename(_complete_name(folder))
    fresh = [place for place in places if not place.exists()]
    before = _link_replaced(complete, target, files)
    try:
        for file, place in zip(files, places, strict=True):
            (complete / file).replace(place)
    except OSError:
        for file, copy in before.items():
            copy.replace(target / file)
        for place in fresh:
            place.unlink(missing_ok=True)
        raise


def _files(folder: Path) -> list[Path]:
    """List the files to move, relative to the folder."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(file for file in files if file.parts[0] not in (_LOCK, _BEFORE))


def _link_replaced(complete: Path, target: Path, files: list[Path]) -> dict[Path, Path]:
    """Hard-link the files that will be replaced, where the disk knows hard links."""
    kept = {}
    for number, file in enumerate(files):
        if not (target / file).is_file():
            continue
        copy = complete / _BEFORE / str(number)
        copy.parent.mkdir(exist_ok=True)
        with suppress(OSError):
            os.link(target / file, copy, follow_symlinks=False)
            kept[file] = copy
    return kept


def _disk_error(target: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"cannot write in {target}: {error.strerror or error}; give a folder on a disk with room "
        "that may be written to"
    )


def _flush(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _settle_leftovers(target: Path) -> None:
    """Remove what killed runs left that were not ready to move, and move the rest of the others."""
    for folder in target.glob(".export*"):
        match = _OWN.fullmatch(folder.name)
        if not match or folder.name in _in_use or _is_running(int(match[2])) or folder.is_symlink():
            continue
        # A lock that is held says that the owner lives, if on another machine.
        with suppress(ArtifactError), OutputLock(folder, "output folder"):
            if match[1] == _COMPLETE:
                with _exclusively(target):
                    for file in _files(folder):
                        (target / file).parent.mkdir(parents=True, exist_ok=True)
                        (folder / file).replace(target / file)
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return process != os.getpid()
