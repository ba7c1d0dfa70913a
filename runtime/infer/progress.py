"""Shows the progress of a run in a line on a terminal."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TextIO

_SECONDS_BETWEEN_UPDATES = 0.2
_SECONDS_TO_KNOW = 2.0
"""Before it the speed is that of the first images, whose buffers and kernels are made."""
_MOST_COUNTED = 10_000_000
_OF_SEVERAL_PAGES = (".pdf", ".tif", ".tiff")
_ERASE_LINE = "\r\x1b[K"


class Progress:
    """Counts images and shows their number and speed.

    Args:
        stream: a terminal; None shows nothing.
        unit: what is counted by the second.
        counted: what is counted in all.
        total: returns how many there will be, None while that is not known.
    """

    def __init__(
        self,
        stream: TextIO | None,
        unit: str = "images",
        counted: str = "images",
        total: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._stream, self._unit, self._counted = stream, unit, counted
        self._total = total
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
                self._stream.write(f"{_ERASE_LINE}{counts}{self._left()}")
                self._stream.flush()

    def _left(self) -> str:
        """Return the time left, empty where nobody knows it."""
        total = self._total()
        if total is None or total <= self.num_images or self.seconds < _SECONDS_TO_KNOW:
            return ""
        minutes, seconds = divmod(round(self.seconds * (total / self.num_images - 1)), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f", {clock} left of {total}"

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


def counted_aside(names: Iterable[str]) -> Callable[[], int | None]:
    """Count files in a thread of its own, and return what gives their number once it is known.

    Args:
        names: for which folders are looked through. More than ten millions, those with documents
            of several pages among them, and folders that cannot be looked into have no number.
    """
    known: list[int] = []

    def count() -> None:
        with contextlib.suppress(Exception):  # the run itself says what is wrong with a name
            number = 0
            for name in islice(names, _MOST_COUNTED):
                if name.lower().endswith(_OF_SEVERAL_PAGES):
                    return
                number += 1
            known.extend([number] if number < _MOST_COUNTED else [])

    threading.Thread(target=count, name="counting", daemon=True).start()
    return lambda: known[0] if known else None
