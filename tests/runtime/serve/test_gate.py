from __future__ import annotations

import pytest

from runtime.errors import OcrError
from runtime.serve.gate import Gate
from runtime.serve.refusal import Refusal
from runtime.serve.settings import Limits

LIMITS = Limits(images_per_request=4, queued_images=8, body_bytes=100, queued_bytes=1000)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_held_is_counted_and_given_back() -> None:
    gate = Gate(LIMITS)
    with gate.enter(50) as held:
        assert (gate.num_images, gate.num_bytes) == (1, 50)
        held.hold(3, 70)
        assert (gate.num_images, gate.num_bytes) == (3, 70)
    assert (gate.num_images, gate.num_bytes) == (0, 0)


def test_images_beyond_the_limit_are_refused_and_nothing_is_kept() -> None:
    gate = Gate(LIMITS)
    with gate.enter(1) as first:
        first.hold(7, 1)
        with pytest.raises(Refusal, match="too busy") as refused, gate.enter(1) as second:
            second.hold(2, 1)
        assert refused.value.status == 429 and refused.value.retry_after_s == 1
        assert gate.num_images == 7
        with gate.enter(1), pytest.raises(Refusal), gate.enter(1):
            pass
    assert (gate.num_images, gate.num_bytes) == (0, 0)


def test_bytes_beyond_the_limit_are_refused() -> None:
    gate = Gate(LIMITS)
    with gate.enter(950), pytest.raises(Refusal), gate.enter(100):
        pass
    assert gate.num_bytes == 0


def test_retry_after_follows_from_the_rate() -> None:
    clock = Clock()
    gate = Gate(LIMITS, clock)
    gate.count_answered(5)
    with gate.enter(1) as held:
        held.hold(8, 1)
        assert gate.retry_after_s() == 8  # one image a second
    clock.now = 100.0
    gate.count_answered(50)
    with gate.enter(1) as held:
        held.hold(8, 1)
        assert gate.retry_after_s() == 1


def test_who_fails_does_not_count_as_answered() -> None:
    clock = Clock()
    gate = Gate(LIMITS, clock)
    gate.count_answered(5)
    with pytest.raises(KeyError), gate.enter(1) as held:
        held.hold(4, 1)
        raise KeyError
    with gate.enter(1) as held:
        held.hold(8, 1)
        assert gate.retry_after_s() == 8


@pytest.mark.parametrize(
    "limits",
    [{"images_per_request": 9, "queued_images": 8}, {"body_bytes": 9, "queued_bytes": 8}],
)
def test_a_request_is_never_larger_than_the_queue(limits: dict[str, int]) -> None:
    with pytest.raises(OcrError, match="larger than the queue"):
        Limits(**limits)
