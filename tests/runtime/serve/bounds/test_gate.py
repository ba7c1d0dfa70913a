from __future__ import annotations

import pytest

from runtime.errors import OcrError
from runtime.serve.bounds.gate import Gate
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.settings import Limits

LIMITS = Limits(images_per_request=4, queued_images=8, body_bytes=100, queued_bytes=1000)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_held_is_counted_and_given_back() -> None:
    gate = Gate(LIMITS)
    with gate.enter() as held:
        assert (gate.num_images, gate.num_bytes) == (0, 0)
        held.hold_body(50)
        assert (gate.num_images, gate.num_bytes) == (0, 50)
        held.hold(3, 70)
        assert (gate.num_images, gate.num_bytes) == (3, 70)
    assert (gate.num_images, gate.num_bytes) == (0, 0)


def test_images_beyond_the_limit_are_refused_and_nothing_is_kept() -> None:
    gate = Gate(LIMITS)
    with gate.enter() as first:
        first.hold(7, 1)
        with pytest.raises(Refusal, match="too busy") as refused, gate.enter() as second:
            second.hold(2, 1)
        assert refused.value.status == 429 and refused.value.retry_after_s == 1
        assert gate.num_images == 7
        first.hold(8, 1)
        with pytest.raises(Refusal):
            gate.enter()
    assert (gate.num_images, gate.num_bytes) == (0, 0)


def test_bytes_beyond_the_limit_are_refused() -> None:
    gate = Gate(LIMITS)
    with gate.enter() as first:
        first.hold(1, 950)
        with pytest.raises(Refusal), gate.enter() as second:
            second.hold_body(100)
        assert gate.num_bytes == 950
    assert gate.num_bytes == 0


def test_requests_that_only_wait_take_nothing() -> None:
    gate = Gate(LIMITS)
    waiting = [gate.enter() for _ in range(1000)]
    with gate.enter() as held:
        held.hold_body(100)
        held.complete()
        held.hold(4, 100)
    assert gate.num_bytes == 0 and len(waiting) == 1000


def test_the_oldest_unfinished_body_makes_room() -> None:
    clock = Clock()
    gate = Gate(LIMITS, clock)
    told: list[str] = []
    with gate.enter() as complete, gate.enter() as slow, gate.enter() as slower:
        complete.hold_body(100)
        complete.complete()
        slow.on_pushed_out = lambda: told.append("slow")
        slow.hold_body(500)
        slower.on_pushed_out = lambda: told.append("slower")
        slower.hold_body(400)
        with gate.enter() as young, pytest.raises(Refusal, match="too busy"):
            young.hold_body(100)  # nobody is spared for less than a second
        clock.now = 2.0
        with gate.enter() as asking:
            asking.hold_body(100)
            assert told == ["slow"] and slow.is_pushed_out
            assert gate.num_bytes == 100 + 400 + 100
            with pytest.raises(Refusal, match="so slowly") as refused:
                slow.hold_body(501)
            assert refused.value.status == 429
    assert gate.num_bytes == 0


def test_who_asks_for_more_is_not_pushed_out_for_it() -> None:
    clock = Clock()
    gate = Gate(LIMITS, clock)
    with gate.enter() as held:
        held.hold_body(1000)
        clock.now = 5.0
        with pytest.raises(Refusal, match="too busy"):
            held.hold_body(1001)
        assert gate.num_bytes == 1000
    assert gate.num_bytes == 0


def test_retry_after_follows_from_the_rate() -> None:
    clock = Clock()
    gate = Gate(LIMITS, clock)
    gate.count_answered(5)
    with gate.enter() as held:
        held.hold(8, 1)
        assert gate.retry_after_s() == 8  # one image a second
    clock.now = 100.0
    gate.count_answered(50)
    with gate.enter() as held:
        held.hold(8, 1)
        assert gate.retry_after_s() == 1


def test_who_fails_does_not_count_as_answered() -> None:
    clock = Clock()
    gate = Gate(LIMITS, clock)
    gate.count_answered(5)
    with pytest.raises(KeyError), gate.enter() as held:
        held.hold(4, 1)
        raise KeyError
    with gate.enter() as held:
        held.hold(8, 1)
        assert gate.retry_after_s() == 8


@pytest.mark.parametrize(
    "limits",
    [{"images_per_request": 9, "queued_images": 8}, {"body_bytes": 9, "queued_bytes": 8}],
)
def test_a_request_is_never_larger_than_the_queue(limits: dict[str, int]) -> None:
    with pytest.raises(OcrError, match="larger than the queue"):
        Limits(**limits)
