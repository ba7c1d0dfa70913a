"""Compiled loops of max pooling with windows side by side."""

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(parallel=True, error_model="numpy", cache=True)
def forward(x, y, window):  # type: ignore[no-untyped-def]
    """Write the largest value of every window; NaN wins over everything.

    Args:
        x: [P, H, W] float32, planes.
        y: [P, H // window_h, W // window_w] float32, overwritten.
        window: (vertical, horizontal), pixels.
    """
    for plane in prange(x.shape[0]):
        for row in range(y.shape[1]):
            for column in range(y.shape[2]):
                best = x[plane, row * window[0], column * window[1]]
                for i in range(window[0]):
                    for j in range(window[1]):
                        value = x[plane, row * window[0] + i, column * window[1] + j]
                        best = value if value > best or value != value else best
                y[plane, row, column] = best


@njit(parallel=True, error_model="numpy", cache=True)
def backward(x, y, dy, dx, window):  # type: ignore[no-untyped-def]
    """Give each window's gradient to the first pixel, row by row, that is its largest.

    Args:
        x: [P, H, W] float32.
        y: [P, out_h, out_w] float32 from `forward`.
        dy: as y, gradient of the output.
        dx: as x, overwritten.
        window: (vertical, horizontal), pixels.
    """
    for plane in prange(x.shape[0]):
        dx[plane] = np.float32(0.0)
        for row in range(y.shape[1]):
            for column in range(y.shape[2]):
                best = y[plane, row, column]
                found = False
                for i in range(window[0]):
                    for j in range(window[1]):
                        h, w = row * window[0] + i, column * window[1] + j
                        if not found and x[plane, h, w] == best:
                            dx[plane, h, w] = dy[plane, row, column]
                            found = True
