"""Shards to readers and their results back in input order, whoever dies meanwhile.

A shard that was in the hands of a reader that died is read again, by a reader that has nothing
else in hand then. When that one dies too, the shard is cut in half, until the image is found.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from runtime.batching import InputOrder
from runtime.cluster.shards import Shard
from runtime.errors import EngineError, OcrError
from runtime.recognition.result import Recognition

logger = logging.getLogger(__name__)

SHARDS_PER_READER = 2
"""One that is read and one that waits, so that no reader waits for images."""

_MOST_DEATHS = 3
_SECONDS_BETWEEN_CHECKS = 0.5
_SECONDS_BEFORE_WORRY = 30.0


@dataclass(eq=False)
class _Seat:
    """A reader at work.

    Args:
        actor: Ray's handle of it.
        load: shards it has in hand; one that it has to itself counts as all it may have.
    """

    actor: Any
    load: int = 0


@dataclass(frozen=True)
class _Death:
    """Why there is no such reader any more."""

    reason: str


class Dispatch:
    """One pass over shards.

    Args:
        ray: the package.
        start: makes a reader; gives its handle and what comes once it is open.
        most_readers: how many at once.
        shards: found while they are read.
        most_ahead: images that may be read before an earlier one is.
        is_over: asked often; once it says yes, no result is waited for any more.
    """

    def __init__(
        self,
        ray: Any,
        start: Callable[[], tuple[Any, Any]],
        most_readers: int,
        shards: Iterator[Shard],
        most_ahead: int,
        is_over: Callable[[], bool],
    ) -> None:
        self._ray, self._start, self._most_readers = ray, start, most_readers
        self._shards, self._most_ahead, self._is_over = shards, most_ahead, is_over
        self._order: InputOrder[Recognition] = InputOrder()
        self._num_taken = self._num_given = self._failed_openings = 0
        self._waiting: deque[Shard] = deque()
        self._suspect: deque[Shard] = deque()
        self._opening: dict[Any, _Seat] = {}
        self._seats: list[_Seat] = []
        self._running: dict[Any, tuple[_Seat, Shard, int]] = {}
        self._worry_at: float | None = time.monotonic() + _SECONDS_BEFORE_WORRY

    def results(self) -> Iterator[Recognition]:
        """One for each image, in input order.

        Raises:
            OcrError: what a reader says on opening the model or of its engine.
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
                for one in done:
                    self._opened(one) if one in self._opening else self._read(one)
                self._worry()
        finally:
            for seat in [*self._seats, *self._opening.values()]:
                self._ray.kill(seat.actor)

    def _take(self) -> None:
        """Take shards for every place that is free or will be."""
        missing = self._most_readers - len(self._seats)
        places = SHARDS_PER_READER * len(self._seats) + missing - len(self._running)
        while len(self._waiting) < places and self._num_taken - self._num_given < self._most_ahead:
            shard = next(self._shards, None)
            if shard is None:
                return
            self._num_taken += len(shard.items)
            self._waiting.append(shard)

    def _hand_out(self) -> None:
        while self._suspect and (seat := self._idlest()) is not None and not seat.load:
            self._give(seat, self._suspect.popleft(), SHARDS_PER_READER)
        # What is under suspicion goes first, or readers would never have nothing in hand.
        while self._waiting and not self._suspect and (seat := self._idlest()) is not None:
            self._give(seat, self._waiting.popleft(), 1)
        in_need = len(self._waiting) + len(self._suspect)
        while len(self._opening) < min(in_need, self._most_readers - len(self._seats)):
            actor, opened = self._start()
            self._opening[opened] = _Seat(actor)

    def _idlest(self) -> _Seat | None:
        seat = min(self._seats, key=lambda one: one.load, default=None)
        return seat if seat is not None and seat.load < SHARDS_PER_READER else None

    def _give(self, seat: _Seat, shard: Shard, load: int) -> None:
        seat.load += load
        sources = [item.source for item in shard.items]
        self._running[seat.actor.read.remote(sources)] = (seat, shard, load)

    def _opened(self, reference: Any) -> None:
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
        self._failed_openings, self._worry_at = 0, None
        if not self._seats:
            logger.info("ray: the first reader is open: %s", outcome)
        self._seats.append(seat)

    def _read(self, reference: Any) -> None:
        seat, shard, load = self._running.pop(reference)
        outcome = self._outcome(reference)
        if isinstance(outcome, _Death):
            if seat in self._seats:
                self._seats.remove(seat)
            self._lost(shard, outcome.reason)
            return
        seat.load -= load
        for place, (item, recognition) in enumerate(zip(shard.items, outcome, strict=True)):
            self._order.put(shard.start + place, replace(recognition, source=item.name))

    def _lost(self, shard: Shard, reason: str) -> None:
        shard = replace(shard, deaths=shard.deaths + 1)
        logger.warning("ray: a reader died, what it had in hand is read again: %s", reason)
        if len(shard.items) > 1 and shard.deaths > 1:
            self._suspect.extend(shard.halves())
        elif shard.deaths < _MOST_DEATHS:
            self._suspect.append(shard)
        else:
            (item,) = shard.items
            error = f"reading it ended {shard.deaths} processes, the last one so: {reason}"
            failed = Recognition(text="", confidence=0.0, source=item.name, error=error)
            self._order.put(shard.start, failed)

    def _ready(self) -> Iterator[Recognition]:
        for recognition in self._order.ready():
            self._num_given += 1
            yield recognition

    def _outcome(self, reference: Any) -> Any:
        """What a reader gave, or its `_Death`."""
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, OcrError):
                raise error.cause from None
            raise
        except exceptions.RayError as error:
            return _Death(_told(error))

    def _worry(self) -> None:
        if self._worry_at is not None and time.monotonic() > self._worry_at:
            self._worry_at = None
            logger.warning("ray: still no room for a reader; is the cluster busy?")


def _told(error: Exception) -> str:
    """The telling line of Ray's many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "exit detail" in line.lower()] or lines[:1]
    return (telling[0] if telling else type(error).__name__)[:200]
