"""Who keeps a place, on a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.serve.bounds.connections import Connections, Phase, Place, client_of
from runtime.serve.settings import Limits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Fake:
    """A connection that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def make_room(self) -> None:
        self.told.append("make room")

    def end_in_time(self, phase: Phase) -> None:
        self.told.append(phase.name)

    def abort(self) -> None:
        self.told.append("abort")


def place(client: str = "a") -> Any:
    return Place(Fake(), client)


def told(place: Any) -> list[str]:
    notes: list[str] = place.held.told
    return notes


def test_beyond_the_limit_nobody_young_makes_room() -> None:
    clock = Clock()
    all_of_them = Connections(Limits(connections=3), clock)
    places = [place() for _ in range(4)]
    assert [all_of_them.admit(client) for client in places] == [True, True, True, False]
    assert all_of_them.num_open == 3
    all_of_them.remove(places[3])  # It never was one.
    assert all_of_them.num_open == 3
    all_of_them.remove(places[0])
    all_of_them.remove(places[0])
    assert all_of_them.num_open == 2 and all_of_them.admit(place())


def test_whoever_is_idle_makes_room_first_then_the_oldest_header_then_the_oldest_body() -> None:
    clock = Clock()
    all_of_them = Connections(Limits(connections=4), clock)
    body, header, younger, idle = places = [place() for _ in range(4)]
    for client in places:
        assert all_of_them.admit(client)
        clock.now += 0.1
    all_of_them.enter(body, Phase.BODY, 5)
    all_of_them.enter(idle, Phase.IDLE, 5)
    clock.now = 3.0
    for asked, ended in enumerate((idle, header, younger, body), 1):
        new = place()
        assert all_of_them.admit(new)
        all_of_them.enter(new, Phase.ANSWER, 60)  # whoever asked something keeps its place
        assert [told(one) == ["make room"] for one in places].count(True) == asked
        assert told(ended) == ["make room"]
    assert not all_of_them.admit(place())
    assert all_of_them.num_open == 4


def test_whoever_does_not_take_an_answer_makes_room_at_last() -> None:
    clock = Clock()
    all_of_them = Connections(Limits(connections=1), clock)
    slow = place()
    assert all_of_them.admit(slow)
    all_of_them.enter(slow, Phase.SENDING, 30)
    clock.now = 4.9
    assert not all_of_them.admit(place())
    clock.now = 5.0
    assert all_of_them.admit(place()) and told(slow) == ["make room"]


def test_one_client_has_no_more_than_its_share() -> None:
    clock = Clock()
    all_of_them = Connections(Limits(connections=10, connections_per_client=2), clock)
    mine = [place("a"), place("a")]
    others = place("b")
    assert all(all_of_them.admit(one) for one in (*mine, others))
    assert not all_of_them.admit(place("a"))
    clock.now = 2.0
    assert all_of_them.admit(place("a"))  # in the place of its own oldest
    assert told(mine[0]) == ["make room"] and not told(others)
    unbounded = Connections(Limits(connections=10, connections_per_client=0), clock)
    assert all(unbounded.admit(place("a")) for _ in range(10))


def test_each_phase_ends_in_its_time() -> None:
    clock = Clock()
    all_of_them = Connections(Limits(header_seconds=10), clock)
    silent, answered = place(), place()
    assert all_of_them.admit(silent) and all_of_them.admit(answered)
    all_of_them.enter(answered, Phase.ANSWER, 40)
    clock.now = 9.9
    all_of_them.end_late()
    assert told(silent) == told(answered) == []
    clock.now = 10.0
    all_of_them.end_late()
    assert told(silent) == ["HEADER"] and not told(answered)
    clock.now = 40.0
    all_of_them.end_late()
    assert told(answered) == ["ANSWER"]


def test_those_that_leave_have_no_place_and_are_few() -> None:
    clock = Clock()
    all_of_them = Connections(Limits(connections=1000, connections_per_client=0), clock)
    places = [place() for _ in range(200)]
    for client in places:
        assert all_of_them.admit(client)
        all_of_them.enter(client, Phase.LEAVING, 1)
    assert all_of_them.num_open == 0
    assert sum(told(one) == ["abort"] for one in places) == 200 - 64


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "", True),
        ("a:b", "a:c", False),
    ],
)
def test_whose_an_address_is(one: str, other: str, is_same: bool) -> None:
    assert (client_of(one) == client_of(other)) is is_same
