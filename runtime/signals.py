"""Ends a command on Ctrl-C and SIGTERM by an exception, so that what it holds is let go."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from runtime.errors import OcrError
from runtime.program import tell, told

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_SECONDS_TO_LET_GO = 2.0
"""After a signal, in which others are ignored: `timeout` sends its own twice, and a terminal may
send one to a whole group. Later ones interrupt what hangs."""


class Stopped(KeyboardInterrupt):
    """A signal that asks the process to end.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def status_of(stop: KeyboardInterrupt) -> int:
    """Return the exit status of a process that a signal ended: 128 and the signal's number."""
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


def exit_status(program: str, work: Callable[[], int], remedy: str = "") -> int:
    """Do a command's work; say in one line what ended it, where something did.

    Args:
        program: as it calls itself on standard error.
        work: returns the command's exit status.
        remedy: what to do after a signal, where something remains to be done.

    Returns:
        that of the work; 2 for an error that the user can mend, 130 after Ctrl-C, 143 after
        SIGTERM.
    """
    try:
        with stopped_by_signals():
            return work()
    except OcrError as error:
        tell(program, told(error))
        return 2
    except KeyboardInterrupt as stop:
        tell(program, f"stopped{remedy and f'; {remedy}'}")
        return status_of(stop)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise `Stopped` in a block of the main thread when a signal asks the process to end.

    A signal that was ignored before, as `nohup` has it, stays so. In other threads, where no signal
    arrives, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    deaf_until = 0.0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal deaf_until
        now = time.monotonic()
        if now < deaf_until:
            return
        deaf_until = now + _SECONDS_TO_LET_GO
        raise Stopped(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Keep Python's handlers of signals over a block that sets others, as some libraries do.

    A signal that reaches this thread within the block is handled behind it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if handler is not None:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
