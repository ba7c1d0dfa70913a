"""Compiled loops of hard-swish between two affine maps of a whole tensor."""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import compiled

# The tensor is cut into blocks of so many values, whose float32 sums are added in float64 in the
# order of the blocks: the result does not depend on the number of threads.
BLOCK = 4096

# Sums may be reordered; products are not fused into them, so that slopes are those of `_activate`.
_SUMS = {"reassoc", "nsz", "arcp"}


@compiled(error_model="numpy")
def _activate(x, y, scale, bias, out_scale, out_bias):  # type: ignore[no-untyped-def]
    """Compute in paddle's order, which fuses nothing and divides: hard-swish has steep steps in
    its slope, and a value beside one of them shall be on paddle's side."""
    zero, three, six = np.float32(0.0), np.float32(3.0), np.float32(6.0)
    for j in range(x.size):
        z = x[j] * scale + bias
        y[j] = z * min(max(z + three, zero), six) / six * out_scale + out_bias


@compiled(fastmath=_SUMS, error_model="numpy")
def _gradients(x, dy, dx, scale, bias, out_scale, sums):  # type: ignore[no-untyped-def]
    """Write dx of a block and the sums of four gradients: scale, bias, out_scale, out_bias."""
    zero, three, six = np.float32(0.0), np.float32(3.0), np.float32(6.0)
    sixth = np.float32(1 / 6)
    of_scale, of_bias, of_out_scale, of_out_bias = zero, zero, zero, zero
    for j in range(x.size):
        z = x[j] * scale + bias
        slope = z * np.float32(1 / 3) + np.float32(0.5)
        slope = zero if z <= -three else slope
        slope = np.float32(1.0) if z >= three else slope
        dz = dy[j] * slope * out_scale
        of_scale += dz * x[j]
        of_bias += dz
        of_out_scale += dy[j] * (z * min(max(z + three, zero), six) * sixth)
        of_out_bias += dy[j]
        dx[j] = dz * scale
    sums[0], sums[1], sums[2], sums[3] = of_scale, of_bias, of_out_scale, of_out_bias


@compiled(parallel=True, error_model="numpy")
def forward(x, y, scale, bias, out_scale, out_bias):  # type: ignore[no-untyped-def]
    """Write hard-swish(scale * x + bias) * out_scale + out_bias.

    Args:
        x: [P] float32.
        y: [P] float32, overwritten.
        scale, bias, out_scale, out_bias: float32.
    """
    for block in prange((x.size + BLOCK - 1) // BLOCK):
        part = slice(block * BLOCK, min(x.size, (block + 1) * BLOCK))
        _activate(x[part], y[part], scale, bias, out_scale, out_bias)


@compiled(parallel=True, error_model="numpy")
def backward(x, dy, dx, scale, bias, out_scale, sums):  # type: ignore[no-untyped-def]
    """Write the gradients of `forward`.

    Args:
        x: [P] float32, the input of `forward`.
        dy: [P] float32, gradient of the output.
        dx: [P] float32, overwritten.
        scale, bias, out_scale: float32, as in `forward`.
        sums: [blocks, 4] float32, overwritten with each block's gradients of the four numbers.
    """
    for block in prange((x.size + BLOCK - 1) // BLOCK):
        part = slice(block * BLOCK, min(x.size, (block + 1) * BLOCK))
        _gradients(x[part], dy[part], dx[part], scale, bias, out_scale, sums[block])
