"""Counts connections by phase, ends late ones, and makes room for new ones.

A connection that is slow on purpose cannot be told from a slow one. So each phase has a time
limit, and where all places are taken, the connection that has waited longest without a request
gives way.
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
    """The phases of a connection, each named by what is being waited for."""

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
"""Phases in which a connection may be ended for another, and its least age there in seconds."""


class Held(Protocol):
    """A connection, as `Connections` uses it."""

    def make_room(self) -> None:
        """End the connection in favour of another."""

    def end_in_time(self, phase: Phase) -> None:
        """End the connection, as the time of this phase is over, or enter a phase anew."""

    def abort(self) -> None:
        """End the connection at once."""


class Place:
    """The phase and the deadline of a connection.

    Args:
        held: the connection.
        client: its client, as `client_of` names it.
    """

    def __init__(self, held: Held, client: str) -> None:
        self.held, self.client = held, client
        self.phase = Phase.HEADER
        self.since = self.deadline = 0.0


class Connections:
    """Counts connections and ends those whose time is over; used by a single event loop.

    Args:
        limits: those of connections apply here.
        clock: monotonic, in seconds; the running loop's when None.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] | None = None) -> None:
        self._limits, self._clock = limits, clock
        self._in_phase: dict[Phase, dict[Place, None]] = {phase: {} for phase in Phase}
        self._per_client: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self.num_open = 0

    def now(self) -> float:
        """Return the seconds on the clock."""
        return self._clock() if self._clock else asyncio.get_running_loop().time()

    def admit(self, place: Place) -> bool:
        """Count a connection, which waits for a header from now on.

        Returns:
            False if there is no place and no other connection could be ended for it.
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
        """Begin a phase of a connection, which lasts `seconds` at most.

        A leaving connection no longer counts; beyond `_MOST_LEAVING` the oldest is ended at once.
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
        """Forget a closed connection; an unknown one is ignored."""
        if place in self._in_phase[place.phase]:
            if place.phase is not Phase.LEAVING:
                self._release(place)
            del self._in_phase[place.phase][place]

    def end_late(self) -> None:
        """End every connection whose time is over."""
        now = self.now()
        for phase, places in self._in_phase.items():
            for place in [place for place in places if place.deadline <= now]:
                place.held.end_in_time(phase)

    def _put(self, place: Place, phase: Phase, seconds: float) -> None:
        """Move a connection to the end of a phase, where the youngest are."""
        self._in_phase[place.phase].pop(place, None)
        self._in_phase[phase][place] = None
        place.phase, place.since = phase, self.now()
        place.deadline = place.since + seconds

    def _release(self, place: Place) -> None:
        """Count a connection no longer."""
        if place in self._in_phase[place.phase]:
            self.num_open -= 1
            self._per_client[place.client] -= 1
            if not self._per_client[place.client]:
                del self._per_client[place.client]

    def _make_room(self, client: str | None) -> bool:
        """End the connection that has waited longest; of this client only, if one is given."""
        now = self.now()
        for phase, least_age_s in _MAKES_ROOM:
            for place in self._in_phase[phase]:
                if now - place.since < least_age_s:
                    break  # the connections behind it are younger
                if client in (None, place.client):
                    self.remove(place)
                    place.held.make_room()
                    return True
        return False

    def _watch(self) -> None:
        """Schedule the next sweep, unless it is scheduled or the clock is not the loop's."""
        if self._timer is None and self._clock is None:
            self._timer = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """End late connections, and sweep again while there are any."""
        self._timer = None
        self.end_late()
        if any(self._in_phase.values()):
            self._watch()


@lru_cache(maxsize=1024)
def client_of(address: str) -> str:
    """Return the client of an address: the address itself, in IPv6 its /64, a client's share."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else found.packed[:8].hex(":")
