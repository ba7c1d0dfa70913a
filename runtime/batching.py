"""Groups lines of equal input width into batches and restores the input order of their results.

Only equal widths share a batch, so that the text of a line does not depend on its neighbours.
Nothing here knows images or networks; a line is an object of any type. Both ways stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

Line = TypeVar("Line")
Result = TypeVar("Result")

LOOK_AHEAD_BATCHES = 16
"""Default look-ahead in batches: enough to fill batches of some ten widths at once."""


class WidthBatch(NamedTuple, Generic[Line]):
    """Lines that go through the network together.

    Args:
        width: their common input width in px, or whatever number tells their common size.
        positions: their positions in the input, ascending.
        lines: the lines, in the same order.
    """

    width: int
    positions: tuple[int, ...]
    lines: tuple[Line, ...]


class WidthBatcher(Generic[Line]):
    """Collects lines by width and hands out batches as they fill up.

    A batch is handed out when it holds `batch_size` lines, or when its first line has waited for
    `look_ahead` others. So at most `look_ahead` lines wait, and a result waits for at most that
    many others. The same input gives the same batches.

    Args:
        batch_size: N at most.
        look_ahead: how many positions the input may run ahead of the oldest waiting line;
            `LOOK_AHEAD_BATCHES` batches when None.
    """

    def __init__(self, batch_size: int, look_ahead: int | None = None) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.batch_size = batch_size
        self.look_ahead = LOOK_AHEAD_BATCHES * batch_size if look_ahead is None else look_ahead
        # Ordered by the age of the group's oldest line: a group enters at the end when its first
        # line does, and leaves whole.
        self._groups: dict[int, list[tuple[int, Line]]] = {}

    def add(self, position: int, width: int, line: Line) -> list[WidthBatch[Line]]:
        """Take one line and hand out the batches that are due.

        Args:
            position: its position in the input, larger than those before.
            width: its input width in px.
            line: the line.
        """
        group = self._groups.setdefault(width, [])
        group.append((position, line))
        full = [self._pop_batch(width)] if len(group) == self.batch_size else []
        return full + self.skip(position)

    def skip(self, position: int) -> list[WidthBatch[Line]]:
        """Note that `position` brings no line, and hand out the batches that are due."""
        due = []
        while self._groups:
            oldest_width, oldest = next(iter(self._groups.items()))
            if position - oldest[0][0] < self.look_ahead:
                break
            due.append(self._pop_batch(oldest_width))
        return due

    def flush(self) -> Iterator[WidthBatch[Line]]:
        """Hand out all waiting lines, the oldest first."""
        while self._groups:
            yield self._pop_batch(next(iter(self._groups)))

    def _pop_batch(self, width: int) -> WidthBatch[Line]:
        positions, lines = zip(*self._groups.pop(width), strict=True)
        return WidthBatch(width, positions, lines)


class InputOrder(Generic[Result]):
    """Holds results that come early until those before them have come."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, Result] = {}

    def __len__(self) -> int:
        """Return the number of results that wait."""
        return len(self._waiting)

    def put(self, position: int, result: Result) -> None:
        """Take the result of one position; each position comes once."""
        self._waiting[position] = result

    def ready(self) -> Iterator[Result]:
        """Yield the results whose predecessors have all been yielded; they are no longer held."""
        while self._next in self._waiting:
            yield self._waiting.pop(self._next)
            self._next += 1


def batches_by_width(
    lines: Iterable[tuple[int, Line]], batch_size: int, look_ahead: int | None = None
) -> Iterator[WidthBatch[Line]]:
    """Group a stream of lines into batches of equal width.

    Args:
        lines: the input width in px and the line, for each position from 0.
        batch_size: N at most.
        look_ahead: as `WidthBatcher`.
    """
    batcher: WidthBatcher[Line] = WidthBatcher(batch_size, look_ahead)
    for position, (width, line) in enumerate(lines):
        yield from batcher.add(position, width, line)
    yield from batcher.flush()
