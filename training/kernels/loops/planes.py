"""Compiled loops of means over planes, and of planes multiplied by a number each.

A plane is one image's pixels of one channel, and one thread's work.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.sums import total_of


@compiled(fastmath=FAST, error_model="numpy")
def _sum_of_products(left, right):  # type: ignore[no-untyped-def]
    total = np.float32(0.0)
    for j in range(left.size):
        total += left[j] * right[j]
    return total


@compiled(parallel=True, error_model="numpy")
def means(x, y):  # type: ignore[no-untyped-def]
    """Write the mean of every plane of x [R, P] float32 into y [R] float32."""
    for plane in prange(x.shape[0]):
        y[plane] = total_of(x[plane]) / np.float32(x.shape[1])


@compiled(parallel=True, error_model="numpy")
def spread(dy, dx):  # type: ignore[no-untyped-def]
    """Write the gradient of `means`: dx [R, P] float32 from dy [R] float32."""
    for plane in prange(dx.shape[0]):
        dx[plane] = dy[plane] / np.float32(dx.shape[1])


@compiled(parallel=True, error_model="numpy")
def scale(x, factors, y):  # type: ignore[no-untyped-def]
    """Write factors [R] times the planes of x [R, P] into y [R, P], all float32."""
    for plane in prange(x.shape[0]):
        factor, source, target = factors[plane], x[plane], y[plane]
        for j in range(source.size):
            target[j] = factor * source[j]


@compiled(parallel=True, error_model="numpy")
def scale_gradients(x, factors, dy, dx, dfactors):  # type: ignore[no-untyped-def]
    """Write the gradients of `scale`.

    Args:
        x: [R, P] float32.
        factors: [R] float32.
        dy: [R, P] float32, gradient of the products.
        dx: as x, overwritten.
        dfactors: as factors, overwritten.
    """
    for plane in prange(x.shape[0]):
        factor, source, target = factors[plane], dy[plane], dx[plane]
        for j in range(source.size):
            target[j] = factor * source[j]
        dfactors[plane] = _sum_of_products(dy[plane], x[plane])
