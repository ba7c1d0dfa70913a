"""Whether processes grow: their memory over time, and the slope of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType

import numpy as np

from benchmarks.service.process import resident_mib


class MemoryWatch:
    """Notes every second what processes hold together, from entering the block to leaving it.

    Args:
        pids: asked every time.
        period_s: between two notes.
    """

    def __init__(self, pids: Callable[[], Iterable[int]], period_s: float = 1.0) -> None:
        self._pids, self._period_s = pids, period_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seconds: list[float] = []
        self.mib: list[float] = []

    @property
    def peak_mib(self) -> float:
        """Most that was noted."""
        return max(self.mib, default=float("nan"))

    @property
    def slope_mib_per_min(self) -> float:
        """Growth over the second half of the time, when caches are full; NaN if too short."""
        half = len(self.mib) // 2
        if half < 2:
            return float("nan")
        slope = np.polyfit(self.seconds[half:], self.mib[half:], 1)[0]
        return float(slope) * 60

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        begin = time.perf_counter()
        while not self._is_over.wait(self._period_s):
            held = [resident_mib(pid) for pid in self._pids()]
            self.seconds.append(time.perf_counter() - begin)
            self.mib.append(sum(one for one in held if one is not None))
