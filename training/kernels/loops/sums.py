"""Compiled sums over float32 vectors, which the compiler may reorder."""

from __future__ import annotations

import numpy as np

from training.kernels.compilation import FAST, compiled


@compiled(fastmath=FAST, error_model="numpy")
def total_of(values):  # type: ignore[no-untyped-def]
    """Sum values."""
    total = np.float32(0.0)
    for j in range(values.size):
        total += values[j]
    return total


@compiled(fastmath=FAST, error_model="numpy")
def squares_around(values, centre):  # type: ignore[no-untyped-def]
    """Sum the squares of values less a centre."""
    total = np.float32(0.0)
    for j in range(values.size):
        difference = values[j] - centre
        total += difference * difference
    return total
