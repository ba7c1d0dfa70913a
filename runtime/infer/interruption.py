"""Ends a run in good order on Ctrl-C and SIGTERM: images under way are finished, within limits.

Compiled code that decodes an image does not react to signals, and a thread in it can neither be
ended nor waited for. So a separate thread receives every signal, and ends the process if the run
does not end itself.
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
"""Time to finish the images under way, after the first signal."""

SECONDS_TO_LEAVE = 2.0
"""Time to end by itself, after `SECONDS_TO_FINISH` or after the second signal."""

STATUS = 130
"""Exit status of an interrupted process."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_END = 0


class Interruption:
    """Handles signals within its block: the first is noted, the second interrupts at once.

    If the run has not ended `seconds_to_leave` after its time was up, because a thread is stuck,
    the steps given to `before_leaving` are done and the process ends with `STATUS`.

    Outside the main thread, where no signal arrives, it does nothing.

    Args:
        seconds_to_leave: time to end by itself, after `SECONDS_TO_FINISH`.
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
        """Whether a signal has come, so that no new image is to be begun."""
        return self._deadline is not None

    @property
    def is_due(self) -> bool:
        """Whether the time to finish is over, so that images under way are to be dropped."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def before_leaving(self, step: Callable[[], object], seconds: float) -> None:
        """Add a step to be done before the process of a stuck run is ended, after earlier ones.

        Args:
            step: called in another thread, while the run may be at any point.
            seconds: how long it is waited for.
        """
        self._steps.append((step, seconds))

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._heard, self._hears = socket.socketpair()
            self._hears.setblocking(False)
            for number in _SIGNALS:
                self._handlers[number] = signal.signal(number, self._note)
            # Python writes to this descriptor when a signal arrives, even in a busy main thread.
            self._previous_fd = signal.set_wakeup_fd(
                self._hears.fileno(), warn_on_full_buffer=False
            )
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
        signal.set_wakeup_fd(self._previous_fd)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        with contextlib.suppress(BlockingIOError):  # full of signals: closing has the same effect
            self._hears.send(bytes([_END]))
        self._hears.close()
        self._watch.join()
        self._heard.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal in the main thread."""
        if self._is_noted:
            raise KeyboardInterrupt
        self._is_noted = True
        self._set_deadline()

    def _set_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + SECONDS_TO_FINISH

    def _listen(self) -> None:
        """Wait for signals; end the process if the run is stuck."""
        if self._next_signal(None) == _END:
            return
        self._set_deadline()
        # A second signal shortens this wait: the run is then interrupted at once.
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
        """Wait for one of `_SIGNALS`; return `_END` at the block's end, None when time is over."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            rest = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._heard], [], [], rest)[0]:
                return None
            heard = self._heard.recv(1)
            if not heard or heard[0] in (_END, *_SIGNALS):
                return heard[0] if heard else _END


def _try(step: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):  # the later steps are done all the same
        step()
