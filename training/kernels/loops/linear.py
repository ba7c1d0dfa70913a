"""Compiled loops around the matrix products of a linear layer."""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import compiled

# Columns summed by one task: 4 KB of float64, so the sums stay in the first cache.
_BLOCK = 512


@compiled(parallel=True, error_model="numpy")
def add_bias(y, bias):  # type: ignore[no-untyped-def]
    """Add a bias to every row, in place.

    Args:
        y: [R, K] float32.
        bias: [K] float32.
    """
    for row in prange(y.shape[0]):
        target = y[row]
        for j in range(target.size):
            target[j] += bias[j]


@compiled(parallel=True, error_model="numpy")
def column_sums(dy, dbias):  # type: ignore[no-untyped-def]
    """Sum every column, in the order of the rows, in float64.

    Args:
        dy: [R, K] float32.
        dbias: [K] float32, overwritten.
    """
    columns = dy.shape[1]
    for block in prange((columns + _BLOCK - 1) // _BLOCK):
        first = block * _BLOCK
        size = min(_BLOCK, columns - first)
        total = np.zeros(size, np.float64)
        for row in range(dy.shape[0]):
            source = dy[row, first : first + size]
            for j in range(size):
                total[j] += source[j]
        for j in range(size):
            dbias[first + j] = total[j]
