"""Handles standard streams that are closed, full or without a reader, as under cron and daemons."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

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


@contextmanager
def lasting_streams(*names: str) -> Iterator[None]:
    """Let the process go on when its standard streams can no longer be written.

    Streams that were closed when the process began are opened by `open_standard_streams`.

    Args:
        names: `stdout`, `stderr`: the streams whose text may be lost. After a write that fails (the
            reader left, the disk is full) further text is dropped, and nothing is raised.
    """
    originals = {name: getattr(sys, name) for name in names}
    for name, stream in originals.items():
        setattr(sys, name, _Lasting(stream))
    try:
        yield
    finally:
        for name, stream in originals.items():
            getattr(sys, name).flush()
            setattr(sys, name, stream)


class _Lasting:
    """A text stream that drops what is written after its first failure.

    Args:
        stream: where to write.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, or lose it."""
        try:
            self._stream.write(text)
        except OSError:
            self._redirect_to_null()
        return len(text)

    def flush(self) -> None:
        """Flush, or lose what was not written yet."""
        try:
            self._stream.flush()
        except OSError:
            self._redirect_to_null()

    def _redirect_to_null(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            descriptor = self._stream.fileno()
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, descriptor)
            os.close(null)
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
