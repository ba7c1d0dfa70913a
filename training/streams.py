"""Standard streams that end no run when their reader leaves or their disk is full."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def lasting_streams(*names: str) -> Iterator[None]:
    """Let the process go on when what it says can no longer be written.

    Those that were closed when the process began are opened by `open_standard_streams`.

    Args:
        names: `stdout`, `stderr`: those of which nobody misses what is lost; a write that fails
            there (a reader that left, a full disk) is the last one, and raises nothing.
    """
    kept = {name: getattr(sys, name) for name in names}
    for name, stream in kept.items():
        setattr(sys, name, _Lasting(stream))
    try:
        yield
    finally:
        for name, stream in kept.items():
            getattr(sys, name).flush()
            setattr(sys, name, stream)


class _Lasting:
    """A text stream that leads nowhere after its first failure.

    Args:
        stream: where to write.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or lose the text."""
        try:
            self._stream.write(text)
        except OSError:
            self._lead_nowhere()
        return len(text)

    def flush(self) -> None:
        """Flush, or lose what was not written yet."""
        try:
            self._stream.flush()
        except OSError:
            self._lead_nowhere()

    def _lead_nowhere(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            number = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
