"""Shows the progress of a run in a line on a terminal."""

from __future__ import annotations

import contextlib
import time
from typing import TextIO

_SECONDS_BETWEEN_UPDATES = 0.2
_ERASE_LINE = "\r\x1b[K"


class Progress:
    """Counts images and shows their number and speed.

    Args:
        stream: a terminal; None shows nothing.
        unit: what is counted by the second.
        counted: what is counted in all.
    """

    def __init__(
        self, stream: TextIO | None, unit: str = "images", counted: str = "images"
    ) -> None:
        self._stream, self._unit, self._counted = stream, unit, counted
        self._start = self._shown = time.monotonic()
        self.num_images = 0

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    def count(self) -> None:
        """Count an image, and update the line if it is due."""
        self.num_images += 1
        now = time.monotonic()
        if self._stream is not None and now - self._shown >= _SECONDS_BETWEEN_UPDATES:
            self._shown = now
            speed = self.num_images / self.seconds
            with contextlib.suppress(OSError):
                counts = f"{self.num_images} {self._counted}, {speed:.1f} {self._unit}/s"
                self._stream.write(f"{_ERASE_LINE}{counts}")
                self._stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.hide()

    def hide(self) -> None:
        """Erase the line."""
        if self._stream is not None:
            with contextlib.suppress(OSError):  # a terminal that is gone
                self._stream.write(_ERASE_LINE)
                self._stream.flush()
