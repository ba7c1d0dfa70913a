"""Where a run writes: known to be writable, and its own, before anything expensive is done."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.errors import ArtifactError, ConfigError
from runtime.lock import OutputLock
from training.config import Config
from training.registry import Problem

KEY = "Global.save_model_dir"
_OF_THE_DISK = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ESTALE),
    }
)


@contextmanager
def run_folder(config: Config, folder: Path) -> Iterator[Path]:
    """Make a run's folder, prove that it can be written to, and keep other runs out of it.

    Folders that were made and stayed empty are removed at the end.

    Args:
        config: for messages.
        folder: its `Global.save_model_dir`.

    Raises:
        ConfigError: if it cannot be written to, with the key's line.
        ArtifactError: if another run writes there.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        try:
            prove_writable(folder)
        except OSError as error:
            message = (
                f"cannot write in {folder}: {error.strerror or error}; expected a folder on a "
                "disk with room that may be written to"
            )
            raise ConfigError(config.located(Problem(KEY, message))) from error
        with OutputLock(folder, KEY):
            yield folder
    finally:
        for one in made:
            with suppress(OSError):  # holds something: it stays
                one.rmdir()


def prove_writable(folder: Path) -> None:
    """Make a folder and write a byte in it.

    Raises:
        OSError: if that cannot be done.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is a file")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"0")
        file.flush()


def refuse_unwritable_file(path: Path, option: str) -> None:
    """Refuse a result file that could not be written, before there is a result.

    Args:
        path: the file; its folder is made.
        option: what names it, for the message.

    Raises:
        ConfigError: saying why.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        prove_writable(path.parent)
    except OSError as error:
        raise ConfigError(
            f"{option}: cannot write {path}: {error.strerror or error}; name a file in a folder "
            "that may be written to"
        ) from error


@contextmanager
def disk_errors_told() -> Iterator[None]:
    """Turn what a disk refuses into one line.

    Raises:
        ArtifactError: in place of an `OSError` for want of room or permission.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        where = f" {error.filename}" if error.filename else ""
        raise ArtifactError(
            f"the disk refuses{where}: {error.strerror}; see to its room and permissions, and "
            "start again"
        ) from error
