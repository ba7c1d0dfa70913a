"""Signals that ask a process to end are exceptions in its main thread."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from runtime.errors import OcrError
from runtime.signals import (
    SIGNALS,
    Stopped,
    exit_status,
    handlers_kept,
    status_of,
    stopped_by_signals,
)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_an_exception_and_a_status(number: signal.Signals) -> None:
    # A shell starts what runs behind it with Ctrl-C ignored, which would stay so.
    found = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(Stopped) as stop, stopped_by_signals():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, found)
    assert status_of(stop.value) == 128 + number


def test_an_interruption_by_python_itself_has_the_status_of_ctrl_c() -> None:
    assert status_of(KeyboardInterrupt()) == 130


def test_one_that_follows_at_once_lets_what_is_held_be_let_go() -> None:
    is_let_go = False
    with pytest.raises(Stopped), stopped_by_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            is_let_go = True
    assert is_let_go


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_handlers_that_a_library_sets_are_replaced_and_no_signal_is_lost() -> None:
    heard = []
    with pytest.raises(Stopped), stopped_by_signals(), handlers_kept():
        # To this thread: another one of the process, which does not wait, would hear it at once.
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        heard.append("the block ended")
    assert heard


def test_in_other_threads_nothing_is_done() -> None:
    done = []

    def work() -> None:
        with stopped_by_signals(), handlers_kept():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done


def raising(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OcrError("no such file"), 2, "draw: no such file"),
        (KeyboardInterrupt(), 130, "draw: stopped; once more"),
        (Stopped(signal.SIGTERM), 143, "draw: stopped; once more"),
    ],
    ids=["error", "Ctrl-C", "SIGTERM"],
)
def test_what_ends_a_command_is_one_line(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status("draw", raising(error), "once more") == status
    assert capsys.readouterr().err == f"{said}\n"


def test_a_command_that_ends_well_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    assert exit_status("draw", lambda: 1) == 1
    assert capsys.readouterr().err == ""
    assert [signal.getsignal(number) for number in SIGNALS] == before
