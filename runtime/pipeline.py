"""Prepares lines in threads ahead of the network, reads them in several lanes, restores order.

Nothing here knows images or networks. `prepare` and `read` run in threads of their own; taking
the input, batching and ordering stay in the thread that takes the results. Input is taken only
when results are taken, so a slow consumer holds everything back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from queue import SimpleQueue
from typing import Generic, NamedTuple, TypeVar

from runtime.batching import InputOrder, WidthBatch, WidthBatcher
from runtime.threads import Threads

Source = TypeVar("Source")
Line = TypeVar("Line")
Result = TypeVar("Result")
Done = TypeVar("Done")

MOST_BYTES_AHEAD = 2**28
"""Bound of the memory of images that come as bytes or arrays; a line has some 10 kB."""

_BATCHES_PER_LANE = 2
"""A lane reads one while the other waits, so that no lane waits for the input."""


def done_ahead(
    work: Callable[[Source], Done],
    sources: Iterable[Source],
    num_threads: int,
    ahead: int,
    threads: Threads | None = None,
    num_bytes: Callable[[Source], int] = lambda source: 0,
) -> Generator[Done, None, None]:
    """Apply `work` to each source in threads, at most `ahead` sources ahead of the results.

    The sources ahead hold at most `MOST_BYTES_AHEAD` bytes of memory, but for the last of them.

    An error of `work` or of `sources` ends the iteration, and so does closing it: work that has
    not begun is dropped, work that has is waited for.

    Args:
        work: called with each source.
        sources: taken one at a time.
        num_threads: threads that work.
        ahead: sources that may be taken before the oldest result is.
        threads: keeps the threads from one call to the next; they end with the call when None.
        num_bytes: memory that a source holds.
    """
    waiting: deque[tuple[Future[Done], int]] = deque()
    held = 0
    with _open_threads(threads) as kept, kept.pool(num_threads, "ahead") as pool:
        for source in sources:
            waiting.append((pool.submit(work, source), num_bytes(source)))
            held += waiting[-1][1]
            del source  # or it would be held while the next one is waited for
            while waiting and (
                len(waiting) > ahead or held > MOST_BYTES_AHEAD or waiting[0][0].done()
            ):
                future, size = waiting.popleft()
                yield future.result()
                held -= size
        while waiting:
            yield waiting.popleft()[0].result()


def _open_threads(threads: Threads | None) -> AbstractContextManager[Threads]:
    """Return a block around `threads`, which stay open, or around new ones, which end with it."""
    return closing(Threads()) if threads is None else nullcontext(threads)


class Prepared(NamedTuple, Generic[Line]):
    """A line on its way to the network.

    Args:
        width: its input width in px, or whatever number tells the size of those it may run with.
        line: the line.
    """

    width: int
    line: Line


class Pipeline(Generic[Source, Line, Result]):
    """Source -> `prepare` -> batches of one width -> `read` -> results in input order.

    Args:
        prepare: returns the line, or the result of a source that needs no network.
        read: returns one result for each line of a batch.
        batch_size: N at most.
        num_preparers: threads that prepare.
        num_lanes: batches that may be read at once.
        look_ahead: how many positions the input may run ahead of the oldest line that waits for
            others of its width; as `WidthBatcher` when None.
        threads: keeps the threads from one call to the next; they end with each call when None.
        num_bytes: as `done_ahead`.
    """

    def __init__(
        self,
        prepare: Callable[[Source], Prepared[Line] | Result],
        read: Callable[[WidthBatch[Line]], Sequence[Result]],
        batch_size: int,
        num_preparers: int = 1,
        num_lanes: int = 1,
        look_ahead: int | None = None,
        threads: Threads | None = None,
        num_bytes: Callable[[Source], int] = lambda source: 0,
    ) -> None:
        self._prepare, self._read, self._num_bytes = prepare, read, num_bytes
        self._threads = threads
        self._batch_size, self._look_ahead = batch_size, look_ahead
        self._num_preparers, self._num_lanes = num_preparers, num_lanes

    @property
    def look_ahead(self) -> int:
        """Positions that the input may run ahead of the results."""
        read = self._most_batches * self._batch_size
        waiting = WidthBatcher[Line](self._batch_size, self._look_ahead).look_ahead
        return self._prepared_ahead + waiting + read + 1

    @property
    def _most_batches(self) -> int:
        """Batches that are being read or wait to be, at most."""
        return _BATCHES_PER_LANE * self._num_lanes

    @property
    def _prepared_ahead(self) -> int:
        """Sources that are prepared, or about to be, before anything is batched."""
        return self._num_preparers + self._most_batches * self._batch_size

    def __call__(self, sources: Iterable[Source]) -> Iterator[Result]:
        """Yield a result for each source, in their order; ends as `done_ahead` does."""
        # One thread more than lanes: while one decodes its lane's output, another uses the lane.
        with (
            _open_threads(self._threads) as kept,
            closing(
                done_ahead(
                    self._prepare,
                    sources,
                    self._num_preparers,
                    self._prepared_ahead,
                    kept,
                    self._num_bytes,
                )
            ) as prepared,
            kept.pool(self._num_lanes + 1, "read") as readers,
        ):
            yield from self._results(prepared, readers)

    def _results(
        self, prepared: Iterable[Prepared[Line] | Result], pool: ThreadPoolExecutor
    ) -> Iterator[Result]:
        """Batch what was prepared, have it read, and yield the results in order."""
        batcher: WidthBatcher[Line] = WidthBatcher(self._batch_size, self._look_ahead)
        reading: _Reading[Line, Result] = _Reading(pool, self._read)
        most = self._most_batches
        for position, item in enumerate(prepared):
            if isinstance(item, Prepared):
                due = batcher.add(position, item.width, item.line)
            else:  # already a result, e.g. of an image that cannot be decoded
                reading.order.put(position, item)
                due = batcher.skip(position)
            for batch in due:
                yield from reading.results(at_most=most - 1)
                reading.submit(batch)
            # Results behind a slow line must not pile up: beyond the look-ahead it is waited for.
            yield from reading.results(
                at_most=most if len(reading.order) < batcher.look_ahead else 0
            )
        for batch in batcher.flush():
            yield from reading.results(at_most=most - 1)
            reading.submit(batch)
        yield from reading.results(at_most=0)


class _Reading(Generic[Line, Result]):
    """Batches that are being read, and the results that wait for their turn."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        read: Callable[[WidthBatch[Line]], Sequence[Result]],
    ) -> None:
        self.order: InputOrder[Result] = InputOrder()
        self._pool, self._read = pool, read
        self._num_running = 0
        self._done: SimpleQueue[Future[tuple[WidthBatch[Line], Sequence[Result]]]] = SimpleQueue()

    def submit(self, batch: WidthBatch[Line]) -> None:
        """Start reading a batch."""
        self._num_running += 1
        self._pool.submit(lambda: (batch, self._read(batch))).add_done_callback(self._done.put)

    def results(self, at_most: int) -> Iterator[Result]:
        """Yield results in order until at most `at_most` batches are being read."""
        while self._num_running and (self._num_running > at_most or not self._done.empty()):
            batch, results = self._done.get().result()
            self._num_running -= 1
            for position, result in zip(batch.positions, results, strict=True):
                self.order.put(position, result)
            yield from self.order.ready()
        yield from self.order.ready()
