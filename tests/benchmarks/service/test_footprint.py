"""Memory of a process is told, and none of one that has ended."""

from __future__ import annotations

import os

from benchmarks.service.footprint import shared_mib


def test_memory_of_a_process() -> None:
    assert 5 < shared_mib(os.getpid()) < 10_000
    assert shared_mib(2**22 + 1) == 0
