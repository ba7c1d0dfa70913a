"""How much is in hand: lets requests in while there is room and says when there will be."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from runtime.serve.refusal import Refusal
from runtime.serve.settings import Limits

_RATE_WINDOW_S = 5.0
_MOST_RETRY_AFTER_S = 30


class Gate:
    """Counts what was accepted and not yet answered; one event loop uses it.

    Args:
        limits: of which `queued_images` and `queued_bytes` hold here.
        clock: seconds that only grow.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self.num_images = 0
        self.num_bytes = 0
        self._answered: deque[tuple[float, int]] = deque()

    def enter(self, num_bytes: int) -> Pass:
        """Let a request in before its body is read.

        Args:
            num_bytes: how long the body says it is, or may be.

        Raises:
            Refusal: 429 if there is no room for one image more.
        """
        entered = Pass(self)
        entered.hold(1, num_bytes)
        return entered

    def change(self, more_images: int, more_bytes: int) -> None:
        """Take more in hand, or less.

        Raises:
            Refusal: 429 if there is no room for more; nothing has changed then.
        """
        images, num_bytes = self.num_images + more_images, self.num_bytes + more_bytes
        if more_images > 0 or more_bytes > 0:
            limits = self._limits
            if images > limits.queued_images or num_bytes > limits.queued_bytes:
                raise Refusal(
                    429,
                    f"too busy: expected at most {limits.queued_images} images in hand, got "
                    f"{self.num_images} and {more_images} more; try again later",
                    self.retry_after_s(),
                )
        self.num_images, self.num_bytes = images, num_bytes

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


class Pass:
    """What one request holds; leaving the block gives it back."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.num_images = 0
        self.num_bytes = 0

    def hold(self, num_images: int, num_bytes: int) -> None:
        """Hold so much from now on.

        Raises:
            Refusal: 429 if there is no room for more.
        """
        self._gate.change(num_images - self.num_images, num_bytes - self.num_bytes)
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
        self.hold(0, 0)
