"""The folder of a run: proven writable, and locked, before anything expensive is done."""

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
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR}
_BROKEN = {errno.EIO, errno.ESTALE}
_DISK_ERRORS = frozenset(_NO_ROOM | _NOT_WRITABLE | _BROKEN)


@contextmanager
def run_folder(config: Config, folder: Path) -> Iterator[Path]:
    """Make a run's folder, prove that it can be written to, and lock it against other runs.

    Folders that were made and stayed empty are removed at the end.

    Args:
        config: for messages.
        folder: its `Global.save_model_dir`.

    Raises:
        ConfigError: if it cannot be written to, with the key's line.
        ArtifactError: if another run writes there.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
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
        for path in made:
            with suppress(OSError):  # not empty: it stays
                path.rmdir()


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
        option: the option or key that names it, for the message.

    Raises:
        ConfigError: saying why.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is no file that can be replaced")
        prove_writable(path.parent)
    except OSError as error:
        raise ConfigError(
            f"{option}: cannot write {path}: {error.strerror or error}; name a file in a folder "
            "that may be written to"
        ) from error


@contextmanager
def translate_disk_errors() -> Iterator[None]:
    """Turn an `OSError` for want of room or permission into a message of one line.

    Raises:
        ArtifactError: in its place.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        where = f" {error.filename}" if error.filename else ""
        raise ArtifactError(
            f"the disk refuses{where}: {error.strerror}; see to its room and permissions, and "
            "start again"
        ) from error
