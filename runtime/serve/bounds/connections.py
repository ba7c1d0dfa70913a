"""Who is connected, since when and in which phase: what ends late ones and makes room for others.

A connection that is slow on purpose looks like one that is slow. So each phase has its time, and
where all places are taken, whoever has kept one longest without having asked anything gives way.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Protocol

from runtime.serve.settings import Limits

_SWEEP_S = 0.25
_MOST_LEAVING = 64
_UNANSWERED_S = 1.0
_NOT_TAKEN_S = 5.0


class Phase(Enum):
    """What a connection is waited for, or waits for."""

    IDLE = "the next request"
    HEADER = "the rest of a header"
    BODY = "the rest of a body"
    ANSWER = "an answer"
    SENDING = "the client to take its answer"
    LEAVING = "the client to see why it is refused"


_MAKES_ROOM = (
    (Phase.IDLE, 0.0),
    (Phase.HEADER, _UNANSWERED_S),
    (Phase.BODY, _UNANSWERED_S),
    (Phase.SENDING, _NOT_TAKEN_S),
)
"""Phases in which a connection may be ended for another, and from what age in seconds on."""


class Held(Protocol):
    """A connection, as whoever counts it sees it."""

    def make_room(self) -> None:
        """End, for another connection."""

    def end_in_time(self, phase: Phase) -> None:
        """End, as the time of this phase is over, or stay by entering a phase once more."""

    def abort(self) -> None:
        """End at once."""


class Place:
    """What one connection holds.

    Args:
        held: the connection.
        client: whose it is, as `client_of` tells it.
    """

    def __init__(self, held: Held, client: str) -> None:
        self.held, self.client = held, client
        self.phase = Phase.HEADER
        self.since = self.deadline = 0.0


class Connections:
    """Counts connections and ends those whose time is over; one event loop uses it.

    Args:
        limits: of which those of connections hold here.
        clock: seconds that only grow; those of the running loop when None.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] | None = None) -> None:
        self._limits, self._clock = limits, clock
        self._in_phase: dict[Phase, dict[Place, None]] = {phase: {} for phase in Phase}
        self._per_client: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self.num_open = 0

    def now(self) -> float:
        """Seconds on the clock."""
        return self._clock() if self._clock else asyncio.get_running_loop().time()

    def admit(self, place: Place) -> bool:
        """Give a connection its place, which waits for a header from now on.

        Returns:
            False if there is none, even after another had to make room.
        """
        limits, client = self._limits, place.client
        is_share_taken = 0 < limits.connections_per_client <= self._per_client[client]
        if is_share_taken and not self._make_room(client):
            return False
        if self.num_open >= limits.connections and not self._make_room(None):
            return False
        self._per_client[client] += 1
        self.num_open += 1
        self._put(place, Phase.HEADER, limits.header_seconds)
        self._watch()
        return True

    def enter(self, place: Place, phase: Phase, seconds: float) -> None:
        """Let a connection's phase begin, which lasts so long at most.

        Whoever leaves has no place any more; more than a few of them are ended at once.
        """
        leaving = self._in_phase[Phase.LEAVING]
        if phase is Phase.LEAVING and place not in leaving:
            self._release(place)
            if len(leaving) >= _MOST_LEAVING:
                oldest = next(iter(leaving))
                self.remove(oldest)
                oldest.held.abort()
        self._put(place, phase, seconds)
        self._watch()

    def remove(self, place: Place) -> None:
        """Forget a connection that is closed; one that is unknown is none."""
        if place in self._in_phase[place.phase]:
            if place.phase is not Phase.LEAVING:
                self._release(place)
            del self._in_phase[place.phase][place]

    def end_late(self) -> None:
        """End every connection whose time is over."""
        now = self.now()
        for phase, places in self._in_phase.items():
            for place in [one for one in places if one.deadline <= now]:
                place.held.end_in_time(phase)

    def _put(self, place: Place, phase: Phase, seconds: float) -> None:
        self._in_phase[place.phase].pop(place, None)
        self._in_phase[phase][place] = None
        place.phase, place.since = phase, self.now()
        place.deadline = place.since + seconds

    def _release(self, place: Place) -> None:
        if place in self._in_phase[place.phase]:
            self.num_open -= 1
            self._per_client[place.client] -= 1
            if not self._per_client[place.client]:
                del self._per_client[place.client]

    def _make_room(self, client: str | None) -> bool:
        """End the connection, of this client if one is given, that can be spared most."""
        now = self.now()
        for phase, least_age_s in _MAKES_ROOM:
            for place in self._in_phase[phase]:
                if now - place.since < least_age_s:
                    break  # those behind it are younger still
                if client in (None, place.client):
                    self.remove(place)
                    place.held.make_room()
                    return True
        return False

    def _watch(self) -> None:
        if self._timer is None and self._clock is None:
            self._timer = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        self.end_late()
        if any(self._in_phase.values()):
            self._watch()


@lru_cache(maxsize=1024)
def client_of(address: str) -> str:
    """Whom an address belongs to: itself, in IPv6 its /64, of which a client has all."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else found.packed[:8].hex(":")
