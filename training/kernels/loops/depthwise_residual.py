"""Compiled loops of RepViT's depthwise branches in training, which one BatchNorm ends.

y = BatchNorm(BatchNorm(depthwise convolution of x) + factor x), factor a number of each channel.
One channel is one thread's work: its planes of the whole batch stay in the cache, laid out as
`plane` says, and the gradient computes the convolution again in place of storing it.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.activation import NONE, scale_and_activate
from training.kernels.loops.batch_norm import moments
from training.kernels.loops.plane import (
    add_taps,
    dot_taps,
    forward_offsets,
    join,
    phase_shape,
    phase_taps,
    split,
    sum_taps,
)

_STRIDE = (1, 1)


@compiled(error_model="numpy")
def _convolve(x, kernel, channel, size, padding, convolved):  # type: ignore[no-untyped-def]
    """Write the convolution of one channel, [N, 1, H W]."""
    height, width = x.shape[2], x.shape[3]
    rows, columns = phase_shape(height, width, padding, _STRIDE)
    offsets = forward_offsets(size, _STRIDE, rows, columns)
    buffer = np.zeros(rows * columns, np.float32)
    total = np.empty((height - 1) * columns + width, np.float32)
    for n in range(x.shape[0]):
        split(x[n, channel], buffer, padding, _STRIDE, rows, columns)
        sum_taps(total, buffer, offsets, kernel[channel])
        for h in range(height):
            source = total[h * columns : h * columns + width]
            convolved[n, 0, h * width : (h + 1) * width] = source


@compiled(fastmath=FAST, error_model="numpy")
def _add_branches(convolved, x, scale, shift, factor):  # type: ignore[no-untyped-def]
    for j in range(x.size):
        convolved[j] = scale * convolved[j] + shift + factor * x[j]


@compiled(parallel=True, error_model="numpy")
def forward(  # type: ignore[no-untyped-def]
    x, kernel, factors, inner, outer, epsilons, y, inner_statistics, outer_statistics, size, padding
):
    """Write the normalised sum.

    Args:
        x: [N, C, H, W] float32.
        kernel: [C, taps] float32.
        factors: [C] float32, of x.
        inner: [2, C] float32, weight and bias of the convolution's BatchNorm.
        outer: [2, C] float32, weight and bias of the sum's.
        epsilons: two numbers, added to their variances.
        y: as x, overwritten.
        inner_statistics: [2, C] float32, overwritten with mean and biased variance.
        outer_statistics: [2, C] float32, the same of the sum.
        size: of the kernel (height, width), pixels, odd.
        padding: (vertical, horizontal), pixels on each side: half of it.
    """
    batch, pixels = x.shape[0], x.shape[2] * x.shape[3]
    for channel in prange(x.shape[1]):
        added = np.empty((batch, 1, pixels), np.float32)
        _convolve(x, kernel, channel, size, padding, added)
        mean, variance = moments(added, 0)
        inner_statistics[0, channel], inner_statistics[1, channel] = mean, variance
        scale = inner[0, channel] / np.sqrt(variance + epsilons[0])
        shift = np.float32(inner[1, channel] - mean * scale)
        for n in range(batch):
            flat = x[n, channel].reshape(pixels)
            _add_branches(added[n, 0], flat, np.float32(scale), shift, factors[channel])
        mean, variance = moments(added, 0)
        outer_statistics[0, channel], outer_statistics[1, channel] = mean, variance
        scale = outer[0, channel] / np.sqrt(variance + epsilons[1])
        shift = np.float32(outer[1, channel] - mean * scale)
        for n in range(batch):
            target = y[n, channel].reshape(pixels)
            scale_and_activate(added[n, 0], target, np.float32(scale), shift, NONE)


@compiled(fastmath=FAST, error_model="numpy")
def _sums(left, right, centre):  # type: ignore[no-untyped-def]
    plain, weighted = np.float32(0.0), np.float32(0.0)
    for j in range(left.size):
        plain += left[j]
        weighted += left[j] * (right[j] - centre)
    return plain, weighted


@compiled(error_model="numpy")
def _normalised_gradient(  # type: ignore[no-untyped-def]
    gradient, values, mean, variance, epsilon, weight, dnorm
):
    """Turn the gradient of a BatchNorm's output [N, 1, P] into that of its input, in place.

    Writes the gradients of weight and bias into `dnorm` [2].
    """
    plain, weighted = 0.0, 0.0
    for n in range(values.shape[0]):
        part, weighted_part = _sums(gradient[n, 0], values[n, 0], mean)
        plain += part
        weighted += weighted_part
    inverse = 1.0 / np.sqrt(np.float64(variance) + epsilon)
    dnorm[0], dnorm[1] = weighted * inverse, plain
    count = values.shape[0] * values.shape[2]
    scale = weight * inverse
    offset = np.float32(scale * plain / count)
    slope = np.float32(scale * weighted * inverse * inverse / count)
    for n in range(values.shape[0]):
        _finish(gradient[n, 0], values[n, 0], np.float32(scale), mean, offset, slope)


@compiled(fastmath=FAST, error_model="numpy")
def _finish(gradient, values, scale, mean, offset, slope):  # type: ignore[no-untyped-def]
    for j in range(values.size):
        gradient[j] = scale * gradient[j] - offset - (values[j] - mean) * slope


@compiled(error_model="numpy")
def _convolution_gradients(  # type: ignore[no-untyped-def]
    x, kernel, channel, size, padding, gradient, dx, dkernel
):
    """Write the gradients of `_convolve`: dx of one channel, and its kernel's."""
    height, width = x.shape[2], x.shape[3]
    rows, columns = phase_shape(height, width, padding, _STRIDE)
    margin = (size[0] - 1) * columns + size[1] - 1
    length = (height - 1) * columns + width
    order, turned, _ = phase_taps(size, _STRIDE, columns, margin)
    offsets = forward_offsets(size, _STRIDE, rows, columns)
    taps = kernel[channel][order]
    buffer = np.zeros(rows * columns, np.float32)
    inside = np.zeros_like(buffer)
    spread = np.zeros(margin + max(rows * columns, length), np.float32)
    sums = np.zeros(offsets.size, np.float64)
    skipped = padding[0] * columns
    for n in range(x.shape[0]):
        for h in range(height):
            start = margin + h * columns
            spread[start : start + width] = gradient[n, 0, h * width : (h + 1) * width]
        split(x[n, channel], buffer, padding, _STRIDE, rows, columns)
        dot_taps(sums, spread[margin : margin + length], buffer, offsets)
        inside[:] = np.float32(0.0)
        part = inside[skipped : skipped + height * columns]
        add_taps(part, spread[skipped:], turned, taps, 0, taps.size)
        join(inside, dx[n, channel], padding, _STRIDE, rows, columns)
    for tap in range(sums.size):
        dkernel[channel, tap] = sums[tap]


@compiled(parallel=True, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    x, kernel, factors, inner, outer, epsilons, inner_statistics, outer_statistics, dy, dx,
    dkernel, dfactors, dinner, douter, size, padding,
):  # fmt: skip
    """Write the gradients of `forward`.

    Args:
        x, kernel, factors, inner, outer, epsilons, inner_statistics, outer_statistics, size,
            padding: as in `forward`.
        dy: as x, gradient of the output.
        dx, dkernel, dfactors, dinner, douter: as what they are the gradients of, overwritten.
    """
    batch, pixels = x.shape[0], x.shape[2] * x.shape[3]
    for channel in prange(x.shape[1]):
        convolved = np.empty((batch, 1, pixels), np.float32)
        added, gradient = np.empty_like(convolved), np.empty_like(convolved)
        _convolve(x, kernel, channel, size, padding, convolved)
        mean, variance = inner_statistics[0, channel], inner_statistics[1, channel]
        scale = inner[0, channel] / np.sqrt(np.float64(variance) + epsilons[0])
        shift = np.float32(inner[1, channel] - mean * scale)
        for n in range(batch):
            added[n, 0] = convolved[n, 0]
            flat = x[n, channel].reshape(pixels)
            _add_branches(added[n, 0], flat, np.float32(scale), shift, factors[channel])
            gradient[n, 0] = dy[n, channel].reshape(pixels)
        statistics = outer_statistics[0, channel], outer_statistics[1, channel]
        dnorm = np.empty(2, np.float64)
        _normalised_gradient(gradient, added, *statistics, epsilons[1], outer[0, channel], dnorm)
        douter[0, channel], douter[1, channel] = dnorm[0], dnorm[1]
        total = 0.0
        for n in range(batch):
            added[n, 0] = factors[channel] * gradient[n, 0]
            flat = x[n, channel].reshape(pixels)
            total += _sums(gradient[n, 0], flat, np.float32(0.0))[1]
        dfactors[channel] = total
        _normalised_gradient(
            gradient, convolved, mean, variance, epsilons[0], inner[0, channel], dnorm
        )
        dinner[0, channel], dinner[1, channel] = dnorm[0], dnorm[1]
        _convolution_gradients(x, kernel, channel, size, padding, gradient, dx, dkernel)
        for n in range(batch):
            target = dx[n, channel].reshape(pixels)
            target += added[n, 0]
