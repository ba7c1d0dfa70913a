"""Standard streams that may be closed, full or without a reader, as cron and daemons leave them."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TextIO

from runtime.infer.table import escaped, printable

_NAMES = ("stdin", "stdout", "stderr")


def open_standard_streams() -> frozenset[str]:
    """Open those of `stdin`, `stdout` and `stderr` that are closed, so that nothing fails on them.

    What is written there then goes nowhere, and reading from there is an error. A command does
    this first: the next file opened would get the number of a closed stream, and what compiled
    code prints would go into it.

    Returns:
        names of those that were closed.
    """
    closed = frozenset(name for name in _NAMES if getattr(sys, name) is None)
    for number, name in enumerate(_NAMES):
        if not _is_open(number):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere == number:
                os.set_inheritable(number, True)
            else:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if name in closed and name != "stdin":
            setattr(sys, name, _nowhere())
    return closed


def say(text: str) -> None:
    """Print lines to standard error; where that is impossible nothing is said.

    Characters that would steer a terminal are escaped; a line end stays one.
    """
    with contextlib.suppress(OSError, ValueError):
        lines = (printable(line) for line in text.split("\n"))
        print("\n".join(lines), file=sys.stderr, flush=True)


class PlainFormatter(logging.Formatter):
    """Formats a message of the log so that names in it cannot steer a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line, with control characters other than line ends as escapes."""
        return "\n".join(escaped(line) for line in super().formatMessage(record).split("\n"))


def log_to_stderr(level: int) -> None:
    """Send messages of all loggers from `level` on to standard error, one a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("%(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def forget_stdout() -> None:
    """Let what is still to be written to standard output go nowhere, instead of failing loudly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = _nowhere()  # a stream that is no file
    finally:
        os.close(nowhere)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")
