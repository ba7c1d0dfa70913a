from __future__ import annotations

import math
import mmap
import os
import time

from benchmarks.service.memory import MemoryWatch
from benchmarks.service.process import resident_mib


def touched(mib: int) -> mmap.mmap:
    """Return new memory of the process, where the heap might give some that it had already."""
    memory = mmap.mmap(-1, mib * 2**20)
    for page in range(0, len(memory), mmap.PAGESIZE):
        memory[page] = 1
    return memory


def test_memory_is_that_of_the_process() -> None:
    before = resident_mib(os.getpid())
    held = touched(50)
    after = resident_mib(os.getpid())
    assert before is not None and after is not None
    assert after - before > 40
    del held
    assert resident_mib(2**22 + 1) is None


def test_growth_has_a_slope_over_time_and_over_images() -> None:
    held: list[mmap.mmap] = []
    with MemoryWatch(lambda: [os.getpid()], lambda: 1000 * len(held), period_s=0.02) as watch:
        for _ in range(20):
            held.append(touched(5))
            time.sleep(0.03)
    assert watch.slope_mib_per_min > 60
    assert 250 < watch.slope_mib_per_100k_images < 1000  # 5 MiB for every 1,000
    assert watch.peak_mib >= max(watch.mib[:3])


def test_too_short_a_time_has_no_slope() -> None:
    with MemoryWatch(lambda: [], lambda: 0, period_s=60) as watch:
        pass
    assert math.isnan(watch.slope_mib_per_min)


def test_no_image_has_no_growth() -> None:
    with MemoryWatch(lambda: [os.getpid()], lambda: 0, period_s=0.01) as watch:
        time.sleep(0.2)
    assert math.isnan(watch.slope_mib_per_100k_images)
