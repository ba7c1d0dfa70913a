"""Folders of sessions that Ray leaves behind: those of our own clusters are taken away."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from runtime.errors import ArtifactError
from runtime.lock import OutputLock

_LOG = logging.getLogger(__name__)
_SESSIONS = "session_*"
_LATEST = "session_latest"
_MARK = "started_by_distilrec"
"""A session is ours if it holds a file of this name. Its starter holds the lock beside it, which
the system lets go with the starter, however that ends."""
_MOST = 10_000
_SECONDS_TO_SETTLE = 60.0
"""Younger sessions are left alone: a starter may not hold its lock yet, processes may be ending."""
_KEPT = 1
"""Sessions of starters that failed or were killed: their logs say why."""
_PROCESSES = Path("/proc")


@contextmanager
def bounded(session: Path | None) -> Iterator[None]:
    """Mark a session as ours for a block, and remove its folder when the block ends well.

    Its end has to be the last thing that is done: nothing of Ray runs any more. What killed
    processes left is removed at the beginning, but for the last; nobody else's session is touched.

    Args:
        session: its folder; None, where that is not known, does nothing.
    """
    if session is None or not session.is_dir():
        yield
        return
    with ExitStack() as stack:
        with contextlib.suppress(ArtifactError, OSError):  # a full disk: it stays, as before
            remove_old(session.parent)
            stack.enter_context(OutputLock(session / _MARK))
            (session / _MARK).touch()
        yield
        if (session / _MARK).exists():
            _remove(session)


def remove_old(folder: Path) -> None:
    """Remove sessions that were ours, whose starter and processes have ended, but for the last.

    Args:
        folder: in which Ray puts its sessions.
    """
    left = []
    for number, session in enumerate(sorted(folder.glob(_SESSIONS), reverse=True)):
        if number >= _MOST:
            break
        if _is_left(session):
            left.append(session)
    for session in left[_KEPT:]:
        with contextlib.suppress(ArtifactError, OSError), OutputLock(session / _MARK):
            _remove(session)
            _LOG.debug("removed %s, which an earlier run left", session)


def _is_left(session: Path) -> bool:
    """Tell whether a folder is a session of ours that nobody uses any more."""
    try:
        found = session.lstat()
        mark = (session / _MARK).lstat()
    except OSError:
        return False  # no session of ours
    is_ours = not hasattr(os, "geteuid") or found.st_uid == mark.st_uid == os.geteuid()
    is_plain = stat.S_ISDIR(found.st_mode) and stat.S_ISREG(mark.st_mode)
    is_settled = time.time() - mark.st_mtime > _SECONDS_TO_SETTLE
    return is_ours and is_plain and is_settled and not _is_used(session.name)


def _is_used(name: str) -> bool:
    """Tell whether the command line of a process names a session; False where none can be seen."""
    for line in _PROCESSES.glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if name.encode() in line.read_bytes():
                return True
    return False


def _remove(session: Path) -> None:
    """Remove a session, its mark last: what cannot be removed is tried again by a later run."""
    own = {_MARK, OutputLock(session / _MARK).path.name}
    for path in session.iterdir():
        if path.name in own:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    if {path.name for path in session.iterdir()} - own:
        return
    with contextlib.suppress(OSError):
        for name in own:
            (session / name).unlink(missing_ok=True)
        session.rmdir()
        latest = session.with_name(_LATEST)
        if latest.is_symlink() and Path(os.readlink(latest)).name == session.name:
            latest.unlink()
