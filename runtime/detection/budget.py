"""Bounds the memory of networks that run at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class PixelBudget:
    """Lets inputs of a number of pixels run at once, in the order in which they come.

    An input that is larger than the budget runs alone.

    Args:
        most: pixels of all inputs that run at once.
    """

    def __init__(self, most: int) -> None:
        self._most, self._running = most, 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def held(self, num_pixels: int) -> Iterator[None]:
        """Hold a part of the budget for a block, once it is free."""
        place = object()
        with self._changed:
            self._waiting.append(place)
            try:
                self._changed.wait_for(lambda: self._is_next(place, num_pixels))
            finally:
                self._waiting.remove(place)
                self._changed.notify_all()
            self._running += num_pixels
        try:
            yield
        finally:
            with self._changed:
                self._running -= num_pixels
                self._changed.notify_all()

    def _is_next(self, place: object, num_pixels: int) -> bool:
        fits = self._running + num_pixels <= self._most or not self._running
        return self._waiting[0] is place and fits
