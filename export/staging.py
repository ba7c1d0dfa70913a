"""Several files that take their places together, or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import ArtifactError

_PREFIX = ".export-"
_OWN = re.compile(re.escape(_PREFIX) + r"(\d+)")


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
    folder = target / f"{_PREFIX}{os.getpid()}"
    is_new = not target.exists()
    try:
        try:
            target.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(target)
            folder.mkdir()
        except OSError as error:
            raise _refused(target, error) from error
        yield folder
        try:
            files = sorted(one for one in folder.rglob("*") if one.is_file())
            for file in files:
                _flush(file)
            for file in files:
                place = target / file.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                file.replace(place)
        except OSError as error:
            raise _refused(target, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if is_new and target.is_dir() and not any(target.iterdir()):
            target.rmdir()


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
        if match and not _is_running(int(match[1])):
            shutil.rmtree(one, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return process != os.getpid()
