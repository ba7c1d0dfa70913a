"""Ctrl-C and SIGTERM end a run in good order: what was begun is finished, within limits.

Compiled code that decodes an image does not look at signals, and a thread in it can neither be
ended nor waited for. So a thread of its own hears of every signal, and leaves in the run's place
if the run does not.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

SECONDS_TO_FINISH = 5.0
"""For what was begun, after the first signal."""

SECONDS_TO_LEAVE = 2.0
"""For leaving by itself, after those or after the second signal."""

STATUS = 130
"""Of a process that was interrupted."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_END = 0


class Interruption:
    """While it is entered, the first signal is noted and the second interrupts at once.

    A run that has not left by itself a while after its time was up, because a thread is stuck, is
    left: what `before_leaving` was told is done, and the process ends with `STATUS`.

    Outside the main thread, where no signal arrives, it does nothing.

    Args:
        seconds_to_leave: for leaving by itself, after its time is up.
    """

    def __init__(self, seconds_to_leave: float = SECONDS_TO_LEAVE) -> None:
        self._seconds_to_leave = seconds_to_leave
        self._deadline: float | None = None
        self._is_noted = False
        self._handlers: dict[int, object] = {}
        self._steps: list[tuple[Callable[[], object], float]] = []
        self._watch: threading.Thread | None = None

    @property
    def is_asked(self) -> bool:
        """Whether to begin nothing new."""
        return self._deadline is not None

    @property
    def is_due(self) -> bool:
        """Whether to leave even what was begun."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def before_leaving(self, step: Callable[[], object], seconds: float) -> None:
        """Have something done before a run that is stuck is left, after the steps named before.

        Args:
            step: called in another thread, while the run may be anywhere.
            seconds: how long it is waited for.
        """
        self._steps.append((step, seconds))

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._heard, self._hears = socket.socketpair()
            self._hears.setblocking(False)
            for number in _SIGNALS:
                self._handlers[number] = signal.signal(number, self._note)
            # Written to as a signal arrives, whatever the main thread does.
            self._others = signal.set_wakeup_fd(self._hears.fileno(), warn_on_full_buffer=False)
            self._watch = threading.Thread(target=self._listen, name="signals", daemon=True)
            self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._watch is None:
            return
        signal.set_wakeup_fd(self._others)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        with contextlib.suppress(BlockingIOError):  # full of signals: closing it tells as much
            self._hears.send(bytes([_END]))
        self._hears.close()
        self._watch.join()
        self._heard.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._is_noted:
            raise KeyboardInterrupt
        self._is_noted = True
        self._ask()

    def _ask(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + SECONDS_TO_FINISH

    def _listen(self) -> None:
        """Wait for signals; leave if the run is stuck."""
        if self._next_signal(None) == _END:
            return
        self._ask()
        if self._next_signal(SECONDS_TO_FINISH) == _END:
            return
        deadline = time.monotonic() + self._seconds_to_leave
        while (rest := deadline - time.monotonic()) > 0:
            if self._next_signal(rest) == _END:
                return
        for step, seconds in self._steps:
            doing = threading.Thread(target=_try, args=(step,), daemon=True)
            doing.start()
            doing.join(seconds)
        os._exit(STATUS)

    def _next_signal(self, seconds: float | None) -> int | None:
        """The next signal of ours, `_END` when the run has left, None when the time is over."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            rest = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._heard], [], [], rest)[0]:
                return None
            heard = self._heard.recv(1)
            if not heard or heard[0] in (_END, *_SIGNALS):
                return heard[0] if heard else _END


def _try(step: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):  # the steps after it are done all the same
        step()
