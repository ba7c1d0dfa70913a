"""Whether processes grow: their memory over time and over work, and the slopes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from benchmarks.service.process import resident_mib


class MemoryWatch:
    """Notes every second what processes hold together, from entering the block to leaving it.

    Args:
        pids: asked every time.
        num_images: that they have read so far, asked every time.
        period_s: between two notes.
    """

    def __init__(
        self,
        pids: Callable[[], Iterable[int]],
        num_images: Callable[[], int],
        period_s: float = 1.0,
    ) -> None:
        self._pids, self._num_images, self._period_s = pids, num_images, period_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seconds: list[float] = []
        self.images: list[int] = []
        self.mib: list[float] = []

    @property
    def peak_mib(self) -> float:
        """Most that was noted."""
        return max(self.mib, default=float("nan"))

    @property
    def slope_mib_per_min(self) -> float:
        """Growth over the second half of the time, when caches are full; NaN if too short."""
        return 60 * self._slope_over(self.seconds)

    @property
    def slope_mib_per_100k_images(self) -> float:
        """The same for every 100,000 images; NaN where none was read meanwhile."""
        return 100_000 * self._slope_over(self.images)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        begin = time.perf_counter()
        while not self._is_over.wait(self._period_s):
            held = [resident_mib(pid) for pid in self._pids()]
            self.seconds.append(time.perf_counter() - begin)
            self.images.append(self._num_images())
            self.mib.append(sum(mib for mib in held if mib is not None))

    def _slope_over(self, progress: Sequence[float]) -> float:
        half = len(self.mib) // 2
        if half < 2 or progress[-1] == progress[half]:
            return float("nan")
        return float(np.polyfit(progress[half:], self.mib[half:], 1)[0])
