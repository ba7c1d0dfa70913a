"""Kinds of attacks: what they send, what comes of it, and that they are bounded."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.service.hostile.attack import (
    Attack,
    Endless,
    Hold,
    Post,
    PostAndLeave,
    PostUnread,
    Target,
)
from tests.benchmarks.service.hostile.conftest import NotingServer, is_whole

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"


def outcomes_of(attack: Attack, target: Target, seconds: float = 0.5) -> Counter[str]:
    async def limited() -> Counter[str]:
        outcomes: Counter[str] = Counter()
        try:
            async with asyncio.timeout(seconds):
                await attack.carry_out(target, outcomes)
        except TimeoutError:
            pass
        return +outcomes

    return asyncio.run(limited())


@pytest.mark.parametrize("status", [200, 431])
def test_whole_requests_are_answered_one_a_connection(start_server: Any, status: int) -> None:
    server = start_server(status)
    outcomes = outcomes_of(Post([REQUEST], 2, per_second=50), server.target)
    assert outcomes[str(status)] > 3
    assert set(outcomes) <= {str(status), "under way"}
    assert server.sources == {"127.0.0.2"}
    assert all(noted in (b"", REQUEST) for noted in server.received)


def test_no_more_is_begun_a_second_than_said(start_server: Any) -> None:
    server = start_server()
    outcomes = outcomes_of(Post([REQUEST], 8, per_second=10), server.target, 1.0)
    assert 0 < sum(outcomes.values()) <= 11


def test_requests_take_turns(start_server: Any) -> None:
    server = start_server()
    other = REQUEST.replace(b"abc", b"xyz")
    outcomes_of(Post([REQUEST, other], 1, per_second=100), server.target)
    whole = [bytes(noted) for noted in server.received if is_whole(bytes(noted))]
    assert whole[:4] == [REQUEST, other, REQUEST, other]


def test_who_leaves_waits_for_no_answer(start_server: Any) -> None:
    server = start_server(None)
    outcomes = outcomes_of(PostAndLeave([REQUEST], 1, per_second=50), server.target)
    assert outcomes["left"] > 3 and set(outcomes) <= {"left", "under way"}


def test_what_is_not_read_is_held(start_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.service.hostile.attack._UNREAD_S", 0.2)
    outcomes = outcomes_of(PostUnread([REQUEST], 1, per_second=50), start_server().target, 0.7)
    assert 2 <= outcomes["200"] <= 3


def test_what_is_held_stays_open(start_server: Any) -> None:
    server = start_server(None)
    outcomes = outcomes_of(Hold(b"GET /", b"c", 20, per_second=1000), server.target, 2.5)
    assert outcomes == {"under way": 20}
    assert len(server.received) == 20
    assert all(noted.startswith(b"GET /c") for noted in server.received)


def test_what_goes_on_without_end_has_one(start_server: Any) -> None:
    server = start_server(200)
    endless = Endless(b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 10, b"\r\n", 600, 1e6, 1, 50.0)
    outcomes = outcomes_of(endless, server.target)
    assert outcomes["200"] > 1
    assert max(len(noted) for noted in server.received) == len(b"GET / HTTP/1.1\r\n") + 602


def test_it_comes_from_all_its_addresses(start_server: Any) -> None:
    server = start_server(None)
    sources = ("127.0.0.2", "127.0.0.3")
    outcomes_of(Hold(b"", b"", 4, 1000), replace(server.target, sources=sources))
    assert server.sources == set(sources)


def test_nobody_there_is_an_outcome_too() -> None:
    with NotingServer(200) as server:
        target = server.target
    assert set(outcomes_of(Post([REQUEST], 1, 50), target)) <= {"not connected", "under way"}
