from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

onnxruntime = pytest.importorskip("onnxruntime", reason="its time is measured")

from benchmarks.measuring.network_clock import NetworkClock  # noqa: E402


def test_calls_at_the_same_time_count_each(monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = Barrier(3)

    def run(session: object, number: int) -> int:
        barrier.wait(20)
        return number

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", run)
    with NetworkClock() as clock, ThreadPoolExecutor(3) as pool:
        timed = onnxruntime.InferenceSession.run
        assert list(pool.map(timed, [None] * 3, range(3))) == [0, 1, 2]
    assert clock.most_at_once == 3
    assert clock.busy_s > 0
    assert onnxruntime.InferenceSession.run is run
