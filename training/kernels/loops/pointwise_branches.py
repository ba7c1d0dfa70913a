"""Compiled loops around the matrix products of normalised pointwise branches.

Every branch is BatchNorm(w_b x), with rows of w_b as kernels. Of a centred input xc with the
covariance V the batch's statistics of a row are w m and w V w', so the branches' own outputs are
never needed: their sum is one product with merged kernels, and so is its gradient.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.sums import total_of


@compiled(fastmath=FAST, error_model="numpy")
def _subtract(x, target, number):  # type: ignore[no-untyped-def]
    for j in range(x.size):
        target[j] = x[j] - number


@compiled(fastmath=FAST, error_model="numpy")
def _dot(left, right):  # type: ignore[no-untyped-def]
    total = np.float32(0.0)
    for j in range(left.size):
        total += left[j] * right[j]
    return total


@compiled(fastmath=FAST, error_model="numpy")
def _subtract_both(target, other, number):  # type: ignore[no-untyped-def]
    for j in range(target.size):
        target[j] -= other[j] + number


@compiled(parallel=True, error_model="numpy")
def centre(x, mean, centred):  # type: ignore[no-untyped-def]
    """Subtract each channel's mean over the batch.

    Args:
        x: [N, C, P] float32.
        mean: [C] float32, overwritten.
        centred: as x, overwritten.
    """
    for channel in prange(x.shape[1]):
        total = 0.0
        for n in range(x.shape[0]):
            total += total_of(x[n, channel])
        value = np.float32(total / (x.shape[0] * x.shape[2]))
        mean[channel] = value
        for n in range(x.shape[0]):
            _subtract(x[n, channel], centred[n, channel], value)


@compiled(parallel=True, error_model="numpy")
def channel_sums(x, sums):  # type: ignore[no-untyped-def]
    """Sum each channel over the batch.

    Args:
        x: [N, C, P] float32.
        sums: [C] float32, overwritten.
    """
    for channel in prange(x.shape[1]):
        total = 0.0
        for n in range(x.shape[0]):
            total += total_of(x[n, channel])
        sums[channel] = total


@compiled(parallel=True, error_model="numpy")
def add_channels(y, bias):  # type: ignore[no-untyped-def]
    """Add a number to each channel, in place.

    Args:
        y: [N, C, P] float32.
        bias: [C] float32.
    """
    channels = y.shape[1]
    for plane in prange(y.shape[0] * channels):
        n, channel = plane // channels, plane % channels
        _subtract(y[n, channel], y[n, channel], -bias[channel])


@compiled(parallel=True, error_model="numpy")
def input_gradient(dx, smoothed, offset):  # type: ignore[no-untyped-def]
    """Subtract `smoothed` and each channel's offset, in place.

    Args:
        dx: [N, C, P] float32.
        smoothed: as dx.
        offset: [C] float32.
    """
    channels = dx.shape[1]
    for plane in prange(dx.shape[0] * channels):
        n, channel = plane // channels, plane % channels
        _subtract_both(dx[n, channel], smoothed[n, channel], offset[channel])


@compiled(parallel=True, error_model="numpy")
def row_products(left, right, products):  # type: ignore[no-untyped-def]
    """Write the dot product of each row of `left` with row r mod R of `right`.

    Args:
        left: [B R, C] float32.
        right: [R, C] or [B R, C] float32.
        products: [B R] float32, overwritten.
    """
    rows = right.shape[0]
    for row in prange(left.shape[0]):
        products[row] = _dot(left[row], right[row % rows])


@compiled(fastmath=FAST, error_model="numpy")
def _add_scaled(target, source, factor):  # type: ignore[no-untyped-def]
    for j in range(target.size):
        target[j] += factor * source[j]


@compiled(parallel=True, error_model="numpy")
def merge(kernels, scales, merged):  # type: ignore[no-untyped-def]
    """Sum the rows of all branches, each multiplied by its scale.

    Args:
        kernels: [B R, C] float32.
        scales: [B R] float32.
        merged: [R, C] float32, overwritten.
    """
    rows = merged.shape[0]
    for row in prange(rows):
        merged[row] = np.float32(0.0)
        for position in range(row, kernels.shape[0], rows):
            _add_scaled(merged[row], kernels[position], scales[position])


@compiled(parallel=True, error_model="numpy")
def kernel_gradients(  # type: ignore[no-untyped-def]
    kernels, covered, products, scales, slopes, count, dkernels, sloped
):
    """Write the gradient of every branch's kernels, and the kernels multiplied by their slopes.

    Args:
        kernels: [B R, C] float32.
        covered: [B R, C] float32, the kernels times the covariance.
        products: [R, C] float32, the output's gradient times the centred input.
        scales: [B R] float32, of BatchNorm over the deviation.
        slopes: [B R] float32, by which the gradient falls with the output.
        count: values of a channel.
        dkernels: as kernels, overwritten.
        sloped: as kernels, overwritten.
    """
    rows = products.shape[0]
    for position in prange(kernels.shape[0]):
        scale, slope = scales[position], slopes[position]
        fall = np.float32(slope * count)
        source = products[position % rows]
        for j in range(kernels.shape[1]):
            dkernels[position, j] = scale * source[j] - fall * covered[position, j]
            sloped[position, j] = slope * kernels[position, j]
