"""Admits requests while there is room, and estimates when there will be."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from runtime.serve.bounds.refusal import Refusal
from runtime.serve.settings import Limits

_RATE_WINDOW_S = 5.0
_MOST_RETRY_AFTER_S = 30
_SPARED_S = 1.0
_PUSHED_OUT = "too busy: this body came so slowly that its place was needed; try again later"


class Gate:
    """Counts images and bytes accepted and not yet answered; used by a single event loop.

    A body is counted as it arrives, so that announcing one takes no room from others. Where there
    is no room for more, the oldest unfinished body is dropped.

    Args:
        limits: `queued_images` and `queued_bytes` apply here.
        clock: monotonic, in seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self.num_images = 0
        self.num_bytes = 0
        self._arriving: dict[Pass, None] = {}
        self._answered: deque[tuple[float, int]] = deque()

    def enter(self) -> Pass:
        """Admit a request before its body is read.

        Raises:
            Refusal: 429 if there is no room for another image.
        """
        if self.num_images >= self._limits.queued_images:
            raise self._busy(1)
        entered = Pass(self, self._clock())
        self._arriving[entered] = None
        return entered

    def change(self, asking: Pass, more_images: int, more_bytes: int) -> None:
        """Count more images and bytes for a request, or fewer.

        Raises:
            Refusal: 429 if there is no room for more; the request's own count is unchanged.
        """
        limits = self._limits
        if more_images > 0 and self.num_images + more_images > limits.queued_images:
            raise self._busy(more_images)
        if more_bytes > 0:
            while self.num_bytes + more_bytes > limits.queued_bytes:
                if not self._make_room(asking):
                    raise self._busy(more_images)
        self.num_images += more_images
        self.num_bytes += more_bytes

    def arrived(self, entered: Pass) -> None:
        """Note that a body is complete or given up, so that it cannot be dropped any more."""
        self._arriving.pop(entered, None)

    def count_answered(self, num_images: int) -> None:
        """Count images that were answered, for the rate of the last seconds."""
        now = self._clock()
        self._answered.append((now, num_images))
        while self._answered[0][0] < now - _RATE_WINDOW_S:
            self._answered.popleft()

    def retry_after_s(self) -> int:
        """Estimate in how many whole seconds, at least 1, all accepted images are answered."""
        rate = sum(count for _, count in self._answered) / _RATE_WINDOW_S
        seconds = self.num_images / rate if rate else 1.0
        return max(1, min(math.ceil(seconds), _MOST_RETRY_AFTER_S))

    def _make_room(self, asking: Pass) -> bool:
        """Drop the oldest unfinished body, unless it is the asking one or too young."""
        oldest = next((entered for entered in self._arriving if entered.num_bytes), None)
        if oldest is None or oldest is asking or self._clock() - oldest.since < _SPARED_S:
            return False
        oldest.push_out()
        return True

    def _busy(self, more_images: int) -> Refusal:
        """Return the refusal of a request for which there is no room."""
        limits = self._limits
        return Refusal(
            429,
            f"too busy: expected at most {limits.queued_images} {limits.unit}s and "
            f"{limits.queued_bytes} bytes in hand, got {self.num_images} {limits.unit}s, "
            f"{self.num_bytes} bytes and {more_images} {limits.unit}s more; try again later",
            self.retry_after_s(),
        )


class Pass:
    """The images and bytes counted for a request; leaving the block gives them back.

    Args:
        gate: that admitted the request.
        since: time of admission on the gate's clock.
    """

    def __init__(self, gate: Gate, since: float) -> None:
        self._gate = gate
        self.since = since
        self.num_images = 0
        self.num_bytes = 0
        self.is_pushed_out = False
        self.on_pushed_out: Callable[[], None] = lambda: None

    def hold_body(self, num_bytes: int) -> None:
        """Count the bytes received of a body that is still arriving.

        Raises:
            Refusal: 429 if there is no room for more.
        """
        refusal = self.refusal()
        if refusal is not None:
            raise refusal
        self._hold(self.num_images, num_bytes)

    def hold(self, num_images: int, num_bytes: int) -> None:
        """Count the images and bytes of a complete body from now on.

        Raises:
            Refusal: 429 if there is no room for more.
        """
        self._hold(num_images, num_bytes)

    def complete(self) -> None:
        """Note that the body is complete, so that it cannot be dropped any more."""
        self._gate.arrived(self)

    def push_out(self) -> None:
        """Drop the body and give its room to another request."""
        self.is_pushed_out = True
        self._gate.arrived(self)
        self._hold(0, 0)
        self.on_pushed_out()

    def refusal(self) -> Refusal | None:
        """Return the refusal of a request whose body was dropped, else None."""
        if not self.is_pushed_out:
            return None
        return Refusal(429, _PUSHED_OUT, self._gate.retry_after_s())

    def _hold(self, num_images: int, num_bytes: int) -> None:
        self._gate.change(self, num_images - self.num_images, num_bytes - self.num_bytes)
        self.num_images, self.num_bytes = num_images, num_bytes

    def __enter__(self) -> Pass:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._gate.count_answered(self.num_images)
        self._gate.arrived(self)
        self._hold(0, 0)
