"""Standard streams whose failure (the reader left, the disk is full) does not end a run."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
