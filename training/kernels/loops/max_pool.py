"""Compiled loops of max pooling over windows of 2 x 2, side by side."""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import compiled


@compiled(error_model="numpy")
def _larger(a, b):  # type: ignore[no-untyped-def]
    """The larger one; the first if equal; NaN wins over everything."""
    return b if b > a or b != b else a


@compiled(error_model="numpy")
def _row_maxima(upper, lower, target):  # type: ignore[no-untyped-def]
    for j in range(target.size):
        left = _larger(upper[2 * j], upper[2 * j + 1])
        target[j] = _larger(left, _larger(lower[2 * j], lower[2 * j + 1]))


@compiled(error_model="numpy")
def _row_gradients(upper, lower, best, dy, dupper, dlower):  # type: ignore[no-untyped-def]
    """Give each window's gradient to the first pixel, row by row, that is its largest."""
    zero = np.float32(0.0)
    for j in range(best.size):
        first = upper[2 * j] == best[j]
        second = (upper[2 * j + 1] == best[j]) & (not first)
        third = (lower[2 * j] == best[j]) & (not (first | second))
        fourth = (lower[2 * j + 1] == best[j]) & (not (first | second | third))
        dupper[2 * j] = dy[j] if first else zero
        dupper[2 * j + 1] = dy[j] if second else zero
        dlower[2 * j] = dy[j] if third else zero
        dlower[2 * j + 1] = dy[j] if fourth else zero


@compiled(parallel=True, error_model="numpy")
def forward(x, y):  # type: ignore[no-untyped-def]
    """Write the largest value of every window.

    Args:
        x: [P, H, W] float32, planes.
        y: [P, H // 2, W // 2] float32, overwritten.
    """
    for plane in prange(x.shape[0]):
        for row in range(y.shape[1]):
            _row_maxima(x[plane, 2 * row], x[plane, 2 * row + 1], y[plane, row])


@compiled(parallel=True, error_model="numpy")
def backward(x, y, dy, dx):  # type: ignore[no-untyped-def]
    """Write the gradient of the input.

    Args:
        x: [P, H, W] float32.
        y: [P, H // 2, W // 2] float32 from `forward`.
        dy: as y, gradient of the output.
        dx: as x, overwritten.
    """
    for plane in prange(x.shape[0]):
        # An odd last row or column is in no window.
        dx[plane, 2 * y.shape[1] :] = np.float32(0.0)
        dx[plane, :, 2 * y.shape[2] :] = np.float32(0.0)
        for row in range(y.shape[1]):
            _row_gradients(
                x[plane, 2 * row],
                x[plane, 2 * row + 1],
                y[plane, row],
                dy[plane, row],
                dx[plane, 2 * row],
                dx[plane, 2 * row + 1],
            )
