"""The first signal asks, the second insists."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from runtime.infer import interruption
from runtime.infer.interruption import Interruption

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Interruption() as asked:
        assert not asked.is_asked and not asked.is_due
        signal.raise_signal(number)
        assert asked.is_asked and not asked.is_due
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "SECONDS_TO_FINISH", 0.0)
    with Interruption() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked.is_due


def test_other_threads_may_enter_it() -> None:
    seen = []

    def enter() -> None:
        with Interruption() as asked:
            seen.append(asked.is_asked)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]
