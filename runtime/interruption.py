"""Ctrl-C and SIGTERM end a run in good order: what was begun is finished, within limits."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType

SECONDS_TO_FINISH = 5.0


class Interruption:
    """While it is entered, the first signal is noted and the second interrupts at once.

    Outside the main thread, where no signal arrives, it does nothing.
    """

    def __init__(self) -> None:
        self._deadline: float | None = None
        self._handlers: dict[int, object] = {}

    @property
    def is_asked(self) -> bool:
        """Whether to begin nothing new."""
        return self._deadline is not None

    @property
    def is_due(self) -> bool:
        """Whether to leave even what was begun."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self._deadline = time.monotonic() + SECONDS_TO_FINISH
