"""Hands out the images of a run, without those read before, and remembers those under way."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from runtime.images.read import source_name

Source = TypeVar("Source")


class SourceQueue(Generic[Source]):
    """Yields sources to be read, and returns each again when its result comes, in the same order.

    Args:
        sources: to be read.
        is_over: asked before each source; once it returns True, no more are yielded.
        done: number of times that each name was read before, and so is skipped.
        named: returns the form of a name that `done` holds.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        is_over: Callable[[], bool],
        done: Counter[str],
        named: Callable[[str], str] = str,
    ) -> None:
        self._sources = sources
        self._is_over = is_over
        self._done = done.copy()
        self._named = named
        self._taken: deque[Source] = deque()
        self.num_skipped = 0

    def __iter__(self) -> Iterator[Source]:
        for source in self._sources:
            name = source_name(source)
            name = None if name is None or not self._done else self._named(name)
            if name is not None and self._done[name] > 0:
                self._done[name] -= 1
                self.num_skipped += 1
                continue
            if self._is_over():
                return
            self._taken.append(source)
            yield source

    def next_taken(self) -> Source:
        """Return the source of the next result."""
        return self._taken.popleft()
