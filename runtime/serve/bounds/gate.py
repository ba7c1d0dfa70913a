"""How much is in hand: lets requests in while there is room and says when there will be."""

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
    """Counts what was accepted and not yet answered; one event loop uses it.

    A body is counted as it arrives, so that whoever announces one takes nothing from others; and
    where there is no room for more, the unfinished body that is oldest makes it.

    Args:
        limits: of which `queued_images` and `queued_bytes` hold here.
        clock: seconds that only grow.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self.num_images = 0
        self.num_bytes = 0
        self._arriving: dict[Pass, None] = {}
        self._answered: deque[tuple[float, int]] = deque()

    def enter(self) -> Pass:
        """Let a request in before its body is read.

        Raises:
            Refusal: 429 if there is no room for one image more.
        """
        if self.num_images >= self._limits.queued_images:
            raise self._busy(1)
        entered = Pass(self, self._clock())
        self._arriving[entered] = None
        return entered

    def change(self, asking: Pass, more_images: int, more_bytes: int) -> None:
        """Take more in hand for a request, or less.

        Raises:
            Refusal: 429 if there is no room for more; nothing has changed then.
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
        """The body of a request is complete, or given up: it makes no more room for others."""
        self._arriving.pop(entered, None)

    def count_answered(self, num_images: int) -> None:
        """Remember how fast images are answered."""
        now = self._clock()
        self._answered.append((now, num_images))
        while self._answered[0][0] < now - _RATE_WINDOW_S:
            self._answered.popleft()

    def retry_after_s(self) -> int:
        """In how many whole seconds all that is in hand will have been answered, at least 1."""
        rate = sum(count for _, count in self._answered) / _RATE_WINDOW_S
        seconds = self.num_images / rate if rate else 1.0
        return max(1, min(math.ceil(seconds), _MOST_RETRY_AFTER_S))

    def _make_room(self, asking: Pass) -> bool:
        """Push the oldest unfinished body out, unless that is the one who asks or is young."""
        oldest = next((one for one in self._arriving if one.num_bytes), None)
        if oldest is None or oldest is asking or self._clock() - oldest.since < _SPARED_S:
            return False
        oldest.push_out()
        return True

    def _busy(self, more_images: int) -> Refusal:
        limits = self._limits
        return Refusal(
            429,
            f"too busy: expected at most {limits.queued_images} images and {limits.queued_bytes} "
            f"bytes in hand, got {self.num_images} images, {self.num_bytes} bytes and "
            f"{more_images} images more; try again later",
            self.retry_after_s(),
        )


class Pass:
    """What one request holds; leaving the block gives it back.

    Args:
        gate: that let it in.
        since: when, on the gate's clock.
    """

    def __init__(self, gate: Gate, since: float) -> None:
        self._gate = gate
        self.since = since
        self.num_images = 0
        self.num_bytes = 0
        self.is_pushed_out = False
        self.on_pushed_out: Callable[[], None] = lambda: None

    def hold_body(self, num_bytes: int) -> None:
        """Hold so many bytes of a body that still arrives.

        Raises:
            Refusal: 429 if there is no room for more.
        """
        refusal = self.refusal()
        if refusal is not None:
            raise refusal
        self._hold(self.num_images, num_bytes)

    def hold(self, num_images: int, num_bytes: int) -> None:
        """Hold so much from now on, of a body that is complete.

        Raises:
            Refusal: 429 if there is no room for more.
        """
        self._hold(num_images, num_bytes)

    def complete(self) -> None:
        """The body is complete: from now on it makes no room for others."""
        self._gate.arrived(self)

    def push_out(self) -> None:
        """Give back what is held, for another request."""
        self.is_pushed_out = True
        self._gate.arrived(self)
        self._hold(0, 0)
        self.on_pushed_out()

    def refusal(self) -> Refusal | None:
        """Why the request is not served any more, None while it is."""
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
