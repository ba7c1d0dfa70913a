"""Sends shards to readers and returns results in input order, even if readers die.

A shard whose reader died is suspect: it is read again by a reader that reads nothing else
meanwhile. If that reader dies too, the shard is halved, until the image that ends readers is found.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic

from runtime.batching import InputOrder
from runtime.cluster.results import Failed, Result
from runtime.cluster.shards import Shard
from runtime.errors import EngineError, OcrError

logger = logging.getLogger(__name__)

SHARDS_PER_READER = 2
"""A reader reads one while the other waits, so that it never waits for images."""

_MOST_DEATHS = 3
_SECONDS_BETWEEN_CHECKS = 0.5
_SECONDS_BEFORE_WARNING = 30.0


@dataclass(eq=False)
class _Seat:
    """A reader at work.

    Args:
        actor: Ray's handle of the reader.
        load: shards assigned to it; a suspect shard counts as `SHARDS_PER_READER`.
    """

    actor: Any
    load: int = 0


@dataclass(frozen=True)
class _Death:
    """The death of a reader, and Ray's reason for it."""

    reason: str


class Dispatch(Generic[Result]):
    """A pass over shards.

    Args:
        ray: the package.
        start: starts a reader; returns its handle and a reference that is ready once it is open.
        most_readers: readers at once, at most.
        shards: to read; taken while others are being read.
        most_ahead: images that may be read before an earlier one is.
        is_over: polled; once it returns True, no more results are waited for.
        failed: makes the result of an image that ends its readers.
    """

    def __init__(
        self,
        ray: Any,
        start: Callable[[], tuple[Any, Any]],
        most_readers: int,
        shards: Iterator[Shard],
        most_ahead: int,
        is_over: Callable[[], bool],
        failed: Failed[Result],
    ) -> None:
        self._ray, self._start, self._most_readers = ray, start, most_readers
        self._shards, self._most_ahead, self._is_over = shards, most_ahead, is_over
        self._failed = failed
        self._order: InputOrder[Result] = InputOrder()
        self._num_taken = self._num_given = self._failed_openings = 0
        self._waiting: deque[Shard] = deque()
        self._suspect: deque[Shard] = deque()
        self._opening: dict[Any, _Seat] = {}
        self._seats: list[_Seat] = []
        self._running: dict[Any, tuple[_Seat, Shard, int]] = {}
        self._warn_at: float | None = time.monotonic() + _SECONDS_BEFORE_WARNING

    def results(self) -> Iterator[Result]:
        """Yield a result for each image, in input order.

        Raises:
            OcrError: a reader's error on opening the model or of its engine.
            EngineError: if readers keep dying before they are open.
        """
        try:
            while not self._is_over():
                yield from self._ready()
                self._take()
                self._hand_out()
                if not (self._running or self._waiting or self._suspect):
                    return
                under_way = [*self._running, *self._opening]
                done, _ = self._ray.wait(under_way, timeout=_SECONDS_BETWEEN_CHECKS)
                for reference in done:
                    if reference in self._opening:
                        self._add_reader(reference)
                    else:
                        self._take_results(reference)
                self._warn_if_late()
        finally:
            for seat in [*self._seats, *self._opening.values()]:
                self._ray.kill(seat.actor)

    def _take(self) -> None:
        """Take shards for every place of the readers that there are or may be."""
        missing = self._most_readers - len(self._seats)
        places = SHARDS_PER_READER * len(self._seats) + missing - len(self._running)
        while len(self._waiting) < places and self._num_taken - self._num_given < self._most_ahead:
            shard = next(self._shards, None)
            if shard is None:
                return
            self._num_taken += len(shard.items)
            self._waiting.append(shard)

    def _hand_out(self) -> None:
        """Assign shards to readers, and start readers for those that are left."""
        while self._suspect and (seat := self._idlest()) is not None and not seat.load:
            self._assign(seat, self._suspect.popleft(), SHARDS_PER_READER)
        # No others are assigned while a shard is suspect: a reader must become idle for it.
        while self._waiting and not self._suspect and (seat := self._idlest()) is not None:
            self._assign(seat, self._waiting.popleft(), 1)
        num_left = len(self._waiting) + len(self._suspect)
        while len(self._opening) < min(num_left, self._most_readers - len(self._seats)):
            actor, opened = self._start()
            self._opening[opened] = _Seat(actor)

    def _idlest(self) -> _Seat | None:
        """Return the reader with the least load, None if all are full."""
        seat = min(self._seats, key=lambda seat: seat.load, default=None)
        return seat if seat is not None and seat.load < SHARDS_PER_READER else None

    def _assign(self, seat: _Seat, shard: Shard, load: int) -> None:
        seat.load += load
        sources = [item.source for item in shard.items]
        places, references = shard.contents()
        # Ray hands what a reference stands for to a reader only where it is an argument itself.
        more = [places, *references] if references else []
        self._running[seat.actor.read.remote(sources, *more)] = (seat, shard, load)

    def _add_reader(self, reference: Any) -> None:
        """Add a reader that is open, or count one that died before."""
        seat = self._opening.pop(reference)
        outcome = self._outcome(reference)
        if isinstance(outcome, _Death):
            self._failed_openings += 1
            if self._failed_openings == _MOST_DEATHS:
                raise EngineError(
                    "readers end before the model is open: expected one to stay, got "
                    f"{outcome.reason}; check memory, and that the machines have numpy, OpenCV "
                    "and the engine"
                )
            return
        self._failed_openings, self._warn_at = 0, None
        if not self._seats:
            logger.info("ray: the first reader is open: %s", outcome)
        self._seats.append(seat)

    def _take_results(self, reference: Any) -> None:
        """Take the results of a shard, or note that its reader died."""
        seat, shard, load = self._running.pop(reference)
        outcome = self._outcome(reference)
        if isinstance(outcome, _Death):
            if seat in self._seats:
                self._seats.remove(seat)
            self._read_again(shard, outcome.reason)
            return
        seat.load -= load
        for place, (item, result) in enumerate(zip(shard.items, outcome, strict=True)):
            self._order.put(shard.start + place, replace(result, source=item.name))

    def _read_again(self, shard: Shard, reason: str) -> None:
        """Queue a shard whose reader died again, halved if need be; give an image up at last."""
        shard = replace(shard, deaths=shard.deaths + 1)
        logger.warning("ray: a reader died, what it had in hand is read again: %s", reason)
        if len(shard.items) > 1 and shard.deaths > 1:
            self._suspect.extend(shard.halves())
        elif shard.deaths < _MOST_DEATHS:
            self._suspect.append(shard)
        else:
            (item,) = shard.items
            error = f"reading it ended {shard.deaths} processes, the last one so: {reason}"
            failed = self._failed(item.source, error)
            self._order.put(shard.start, replace(failed, source=item.name))

    def _ready(self) -> Iterator[Result]:
        """Yield, and count, the results whose turn it is."""
        for result in self._order.ready():
            self._num_given += 1
            yield result

    def _outcome(self, reference: Any) -> Any:
        """Return what a reader returned, or its `_Death`; raise its own errors."""
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, OcrError):
                raise error.cause from None
            raise
        except exceptions.RayError as error:
            return _Death(_reason_of(error))

    def _warn_if_late(self) -> None:
        """Warn once if no reader is open after a while."""
        if self._warn_at is not None and time.monotonic() > self._warn_at:
            self._warn_at = None
            logger.warning("ray: still no room for a reader; is the cluster busy?")


def _reason_of(error: Exception) -> str:
    """Return the line of Ray's long message that holds the reason, else its first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if "exit detail" in line.lower()] or lines[:1]
    return (reasons[0] if reasons else type(error).__name__)[:200]
