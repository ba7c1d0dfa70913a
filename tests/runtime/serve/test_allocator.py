"""Large blocks go back to the system when they are freed."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

GROW_AND_FREE = """
import sys
from runtime.serve.allocator import give_back_large_blocks
if sys.argv[1] == "given back":
    give_back_large_blocks()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
bytes(bytearray(30 * 2**20))  # the largest block that moves the threshold
blocks = [bytearray(b"x") * (4 * 2**20) for _ in range(8)]
last = bytearray(b"x") * (4 * 2**20)  # above them in the arena, so that its end cannot be cut
blocks.clear()
before = resident()
print(before // 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_blocks_are_not_kept() -> None:
    assert hasattr(ctypes.CDLL(None), "mallopt")
    resident = {}
    for how in ("given back", "as usual"):
        done = subprocess.run(
            [sys.executable, "-c", GROW_AND_FREE, how], capture_output=True, text=True, check=True
        )
        resident[how] = int(done.stdout)
    assert resident["given back"] < resident["as usual"] - 20
