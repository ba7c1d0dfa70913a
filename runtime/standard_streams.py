"""Handles standard streams that are closed, full or without a reader, as under cron and daemons."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TextIO

from runtime.infer.table import escaped, printable
from runtime.silence import is_open

_NAMES = ("stdin", "stdout", "stderr")


def open_standard_streams() -> frozenset[str]:
    """Open each of `stdin`, `stdout` and `stderr` that is closed, on the null device.

    Output to it is then discarded, and reading from it is an error. A command calls this first:
    otherwise the next file opened would get the number of a closed stream, and compiled code
    would print into it.

    Returns:
        names of the streams that were closed.
    """
    closed = frozenset(name for name in _NAMES if getattr(sys, name) is None)
    for number, name in enumerate(_NAMES):
        if not is_open(number):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere == number:
                os.set_inheritable(number, True)
            else:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if name in closed and name != "stdin":
            setattr(sys, name, _open_null())
    return closed


def say(text: str) -> None:
    """Print lines to standard error; errors in doing so are ignored.

    Control characters other than line ends are escaped.
    """
    with contextlib.suppress(OSError, ValueError):
        lines = (printable(line) for line in text.split("\n"))
        print("\n".join(lines), file=sys.stderr, flush=True)


class PlainFormatter(logging.Formatter):
    """Formats log messages with control characters escaped, so that no name steers a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line, with control characters other than line ends as escapes."""
        return "\n".join(escaped(line) for line in super().formatMessage(record).split("\n"))


def log_to_stderr(level: int) -> None:
    """Send messages of all loggers from `level` on to standard error, one per line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("%(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def forget_stdout() -> None:
    """Discard what is still to be written to standard output, so that the exit raises no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = _open_null()  # a stream without a file descriptor
    finally:
        os.close(nowhere)


def _open_null() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")
