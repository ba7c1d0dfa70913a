"""Threads that have nothing to do help one that has many items to work on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


class Apply(Protocol):
    """Applies a function to items, and returns the results in their order."""

    def __call__(self, work: Callable[[Item], Done], items: Sequence[Item]) -> list[Done]:
        """Return what `work` returns for each of `items`."""


def one_after_another(work: Callable[[Item], Done], items: Sequence[Item]) -> list[Done]:
    """Apply `work` to `items` in this thread."""
    return [work(item) for item in items]


class SharedWork:
    """Shares the items of a list with helping threads as long as few threads work.

    Threads that are known to work are left alone: help comes only up to a number of threads that
    work at once, so that a single page uses all CPUs and many pages do not interrupt each other.

    Args:
        most: threads that work at once.
    """

    def __init__(self, most: int) -> None:
        self._most, self._working = most, 0
        self._lock = threading.Lock()
        self._helpers: ThreadPoolExecutor | None = None
        self._is_closed = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the calling thread as one that works, for a block."""
        with self._lock:
            self._working += 1
        try:
            yield
        finally:
            self._leave()

    def apply(self, work: Callable[[Item], Done], items: Sequence[Item]) -> list[Done]:
        """Apply `work` to `items`, with help where threads have nothing to do.

        An error of `work` ends the call once what has begun has ended.
        """
        waiting = deque(range(len(items)))
        results: dict[int, Done] = {}

        def take(may_go_on: Callable[[], bool]) -> None:
            try:
                while may_go_on():
                    try:
                        place = waiting.popleft()
                    except IndexError:
                        return
                    results[place] = work(items[place])
            except BaseException:
                waiting.clear()
                raise

        def help_along() -> None:
            if not self._join():
                return
            try:
                take(lambda: self._working <= self._most)
            finally:
                self._leave()

        pool = self._pool(len(items))
        num_helpers = min(self._most, len(items)) - 1 if pool else 0
        helping = [pool.submit(help_along) for _ in range(num_helpers) if pool]
        try:
            take(lambda: True)
        finally:
            # A helper that has not begun has nothing left to do.
            ends = [future for future in helping if not future.cancel()]
            errors = [error for future in ends if (error := future.exception())]
        if errors:
            raise errors[0]
        return [results[place] for place in range(len(items))]

    def close(self) -> None:
        """End the helping threads."""
        with self._lock:
            self._is_closed = True
            pool, self._helpers = self._helpers, None
        if pool is not None:
            pool.shutdown(wait=True)

    def _pool(self, num_items: int) -> ThreadPoolExecutor | None:
        """Return the threads that may help, None where none is wanted."""
        with self._lock:
            if num_items < 2 or self._working >= self._most or self._is_closed:
                return None
            if self._helpers is None:
                self._helpers = ThreadPoolExecutor(self._most - 1, "help")
            return self._helpers

    def _join(self) -> bool:
        """Count the calling thread as one that works if there is room for it."""
        with self._lock:
            if self._working >= self._most:
                return False
            self._working += 1
            return True

    def _leave(self) -> None:
        with self._lock:
            self._working -= 1
