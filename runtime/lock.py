"""Locks an output for a single run; a second run gets an error that names the first."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import stat
import sys
import time
from pathlib import Path
from types import TracebackType

from runtime.errors import ArtifactError
from runtime.infer.table import printable

_LOG = logging.getLogger(__name__)

_MOST_OWNER_BYTES = 500
_WINDOWS_OFFSET = 2**30
"""Windows forbids reading what is locked, so a byte far behind the owner's line is locked."""

_HELD: set[int] = set()
"""Descriptors of the locks that this process holds."""


class OutputLock:
    """Holds an output for the run that entered it, and names that run to others.

    The lock is the system's own, on a hidden file: beside an output file, or within an output
    folder. The system releases it when its owner ends, in whatever way; a normal end also removes
    the file. Where the file system has no locks, a warning is logged and the run goes on.

    Args:
        place: the file that is written to, or the folder, which is made before it is locked.
        option: what names the output, for the remedy of an error.
    """

    def __init__(self, place: str | Path, option: str = "--output") -> None:
        self._given, self._option = place, option
        self._descriptor: int | None = None
        self._owner = 0
        real = Path(os.path.realpath(place))  # two names of one output share one lock
        self.path = real / ".lock" if real.is_dir() else real.with_name(f".{real.name}.lock")

    def __enter__(self) -> OutputLock:
        """Take the lock.

        Raises:
            ArtifactError: naming the process that holds it.
        """
        place = Path(self._given)
        if place.exists() and not (place.is_file() or place.is_dir()):
            return self  # a device: the writer of results refuses it
        try:
            self._descriptor = self._open_locked(self.path)
        except OSError as error:
            # A place that cannot be written to is reported by the writer, in more detail.
            if os.access(place if place.exists() else place.absolute().parent, os.W_OK):
                _LOG.warning(
                    "no lock for %s (%s): see to it that no other run writes there",
                    self._given,
                    error.strerror,
                )
            return self
        self._owner = os.getpid()
        _HELD.add(self._descriptor)
        _write_owner(self._descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the file and let go of the lock; a process forked off does neither."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None or self._owner != os.getpid():
            return
        _HELD.discard(descriptor)
        if sys.platform == "win32":
            os.close(descriptor)
            _remove(self.path)  # may fail: the next run may have opened it already
        else:
            # Removed while it is held: a run that opened it before finds that out and opens anew.
            _remove(self.path)
            os.close(descriptor)

    def _open_locked(self, path: Path) -> int:
        """Open and lock the file, again if its last owner removed it in between."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        while True:
            descriptor = os.open(path, flags, 0o666)
            try:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise OSError(errno.EINVAL, f"{path} is no ordinary file")
                if not _lock(descriptor):
                    raise ArtifactError(
                        f"cannot write {self._given}: expected to write there alone, but "
                        f"{_read_owner(descriptor)} does so; wait for its end, or name another "
                        f"{self._option}"
                    )
                if _is_same_file(path, found):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file without waiting; return False if another process holds the lock."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _WINDOWS_OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same_file(path: Path, found: os.stat_result) -> bool:
    """Tell whether `path` still names the file that was opened."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), found)
    except FileNotFoundError:
        return False


def _write_owner(descriptor: int) -> None:
    """Write this process into the lock file, for the message of a run that finds it locked."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    line = f"process {os.getpid()} on {socket.gethostname()}, since {since}\n"
    try:
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, line.encode())
    except OSError:
        pass  # on a full disk the lock holds without a name


def _read_owner(descriptor: int) -> str:
    """Return the process that the lock file names."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    line = os.read(descriptor, _MOST_OWNER_BYTES).decode("utf-8", "replace").strip()
    return printable(line) or "another process"


def _remove(path: Path) -> None:
    """Remove the lock file if possible; a file that stays is locked by the next run as it is."""
    with contextlib.suppress(OSError):
        path.unlink()


def _close_in_child() -> None:
    """Close the locks in a forked process, so that none outlives its owner there."""
    for descriptor in _HELD:
        try:
            os.close(descriptor)
        except OSError:
            continue
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
