"""Tells whether paddle computes here in the order that the kernels were made for."""

from __future__ import annotations

from pathlib import Path

import pytest


def _is_known() -> bool:
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
    return "GenuineIntel" in text and "avx512f" in text


adds_in_our_order = pytest.mark.skipif(
    not _is_known(), reason="on this system paddle adds in another order: no Intel CPU with AVX-512"
)
