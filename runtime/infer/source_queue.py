"""The images of one run: those read before left out, those under way remembered."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from runtime.images.read import source_name

Source = TypeVar("Source")


class SourceQueue(Generic[Source]):
    """Hands out sources and, as their results come in the same order, hands them out again.

    Args:
        sources: what is to be read.
        is_over: asked before each; once it says yes, no more are handed out.
        done: how often each name was read before; so often it is skipped.
        named: what `done` calls a name.
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
        """The source of the next result."""
        return self._taken.popleft()
