"""Compiled loops of normalised depthwise branches of one input that are added.

One channel is one thread's work: over the planes of the batch, laid out as `plane` says, the
statistics of every branch are found first; then one convolution with the merged kernel gives the
sum. The gradient computes each branch's output again, a plane at a time in the cache, so that
none is ever stored.

A branch has the full kernel, or only the tap in its middle: a 1x1 convolution, or the input itself.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import FAST, compiled
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
from training.kernels.loops.sums import squares_around, total_of


@compiled(error_model="numpy")
def _add_moments(moments, total, height, width, columns):  # type: ignore[no-untyped-def]
    """Combine mean, sum of squares around it and count with those of one more plane."""
    plane_sum = 0.0
    for h in range(height):
        plane_sum += total_of(total[h * columns : h * columns + width])
    size = height * width
    plane_mean = plane_sum / size
    centre = np.float32(plane_mean)
    squares = 0.0
    for h in range(height):
        squares += squares_around(total[h * columns : h * columns + width], centre)
    delta, seen = plane_mean - moments[0], moments[2]
    moments[0] += delta * size / (seen + size)
    moments[1] += squares + delta * delta * seen * size / (seen + size)
    moments[2] = seen + size


@compiled(error_model="numpy")
def _taps_of(kernels, is_full, branch, channel, middle):  # type: ignore[no-untyped-def]
    """Return a branch's weights, one for each of its taps, and the first of them."""
    if not is_full[branch]:
        return kernels[branch, channel, middle : middle + 1], middle
    return kernels[branch, channel], 0


@compiled(error_model="numpy")
def _forward_channel(  # type: ignore[no-untyped-def]
    x,
    kernels,
    is_full,
    scales,
    shift,
    epsilon,
    y,
    means,
    variances,
    kernel,
    padding,
    stride,
    channel,
):
    out_height, out_width = y.shape[2], y.shape[3]
    rows, columns = phase_shape(x.shape[2], x.shape[3], padding, stride)
    offsets = forward_offsets(kernel, stride, rows, columns)
    middle = padding[0] * kernel[1] + padding[1]
    buffer = np.zeros(stride[0] * stride[1] * rows * columns, np.float32)
    total = np.empty((out_height - 1) * columns + out_width, np.float32)
    branches = kernels.shape[0]
    moments = np.zeros((branches, 3), np.float64)
    for n in range(x.shape[0]):
        split(x[n, channel], buffer, padding, stride, rows, columns)
        for branch in range(branches):
            taps, first = _taps_of(kernels, is_full, branch, channel, middle)
            sum_taps(total, buffer, offsets[first : first + taps.size], taps)
            _add_moments(moments[branch], total, out_height, out_width, columns)
    merged = np.zeros(offsets.size, np.float32)
    bias = np.float64(shift[channel])
    for branch in range(branches):
        variance = moments[branch, 1] / moments[branch, 2]
        means[branch, channel], variances[branch, channel] = moments[branch, 0], variance
        factor = scales[branch, channel] / np.sqrt(variance + epsilon)
        taps, first = _taps_of(kernels, is_full, branch, channel, middle)
        for tap in range(taps.size):
            merged[first + tap] += factor * taps[tap]
        bias -= factor * moments[branch, 0]
    for n in range(x.shape[0]):
        split(x[n, channel], buffer, padding, stride, rows, columns)
        sum_taps(total, buffer, offsets, merged)
        for h in range(out_height):
            source = total[h * columns : h * columns + out_width]
            target = y[n, channel, h]
            for w in range(out_width):
                target[w] = source[w] + np.float32(bias)


@compiled(parallel=True, error_model="numpy")
def forward(  # type: ignore[no-untyped-def]
    x, kernels, is_full, scales, shift, epsilon, y, means, variances, kernel, padding, stride
):
    """Write the sum of all branches, each normalised by its own statistics.

    Args:
        x: [N, C, H, W] float32.
        kernels: [B, C, taps] float32.
        is_full: [B] bool, whether a branch has all taps; else only that in the middle, and the
            others of its kernels are 0.
        scales: [B, C] float32, of BatchNorm.
        shift: [C] float32, the sum of all branches'.
        epsilon: added to variances.
        y: [N, C, out_h, out_w] float32, overwritten.
        means: [B, C] float32, overwritten with the mean of each branch.
        variances: [B, C] float32, overwritten with the biased variance.
        kernel: (height, width), pixels.
        padding: (vertical, horizontal), pixels on each side; leads to the middle tap.
        stride: (vertical, horizontal), pixels.
    """
    for channel in prange(x.shape[1]):
        _forward_channel(
            *(x, kernels, is_full, scales, shift, epsilon, y, means, variances),
            *(kernel, padding, stride, channel),
        )


@compiled(fastmath=FAST, error_model="numpy")
def _branch_gradient(dy, branch, target, scale, offset, slope):  # type: ignore[no-untyped-def]
    """Write the gradient of what BatchNorm takes, over one row."""
    for j in range(dy.size):
        target[j] = scale * dy[j] - offset - slope * branch[j]


@compiled(error_model="numpy")
def _backward_channel(  # type: ignore[no-untyped-def]
    x, kernels, is_full, scales, means, inverses, dy, dx, dkernels, dscales, dshift, kernel,
    padding, stride, channel,
):  # fmt: skip
    height = x.shape[2]
    out_height, out_width = dy.shape[2], dy.shape[3]
    rows, columns = phase_shape(height, x.shape[3], padding, stride)
    phase_size = rows * columns
    margin = ((kernel[0] - 1) // stride[0]) * columns + (kernel[1] - 1) // stride[1]
    length = (out_height - 1) * columns + out_width
    order, turned_offsets, bounds = phase_taps(kernel, stride, columns, margin)
    offsets = forward_offsets(kernel, stride, rows, columns)
    middle = padding[0] * kernel[1] + padding[1]
    buffer = np.zeros(stride[0] * stride[1] * phase_size, np.float32)
    inner = np.empty(stride[0] * stride[1] * phase_size, np.float32)
    spread = np.zeros(margin + max(phase_size, length), np.float32)
    total = np.empty(length, np.float32)
    branches = kernels.shape[0]
    # The gradient of the merged kernel gives that of every scale.
    products = np.zeros(offsets.size, np.float64)
    plain = 0.0
    for n in range(x.shape[0]):
        for h in range(out_height):
            start = margin + h * columns
            spread[start : start + out_width] = dy[n, channel, h]
            plain += total_of(dy[n, channel, h])
        split(x[n, channel], buffer, padding, stride, rows, columns)
        dot_taps(products, spread[margin : margin + length], buffer, offsets)
    dshift[channel] = plain
    count = np.float64(x.shape[0] * out_height * out_width)
    factors = np.empty((branches, 3), np.float32)
    sums = np.zeros((branches, offsets.size), np.float64)
    turned = np.empty((branches, offsets.size), np.float32)
    for branch in range(branches):
        taps, first = _taps_of(kernels, is_full, branch, channel, middle)
        weighted = -np.float64(means[branch, channel]) * plain
        for tap in range(taps.size):
            weighted += taps[tap] * products[first + tap]
        inverse = np.float64(inverses[branch, channel])
        dscales[branch, channel] = weighted * inverse
        scale = scales[branch, channel] * inverse
        slope = scale * weighted * inverse * inverse / count
        factors[branch, 0], factors[branch, 2] = scale, slope
        factors[branch, 1] = scale * plain / count - slope * means[branch, channel]
        turned[branch] = kernels[branch, channel][order]
    for n in range(x.shape[0]):
        split(x[n, channel], buffer, padding, stride, rows, columns)
        inner[:] = np.float32(0.0)
        for branch in range(branches):
            taps, first = _taps_of(kernels, is_full, branch, channel, middle)
            own_offsets = offsets[first : first + taps.size]
            sum_taps(total, buffer, own_offsets, taps)
            for h in range(out_height):
                start = h * columns
                _branch_gradient(
                    dy[n, channel, h],
                    total[start : start + out_width],
                    spread[margin + start : margin + start + out_width],
                    *(factors[branch, 0], factors[branch, 1], factors[branch, 2]),
                )
            own_sums = sums[branch, first : first + taps.size]
            dot_taps(own_sums, spread[margin : margin + length], buffer, own_offsets)
            if not dx.size:
                continue
            for phase in range(bounds.size - 1):
                # Rows of this phase that are padding alone are never looked at.
                phase_h = phase // stride[1]
                top = max(0, (padding[0] - phase_h + stride[0] - 1) // stride[0])
                bottom = (padding[0] + height - 1 - phase_h) // stride[0] + 1
                first_tap, last_tap = bounds[phase], bounds[phase + 1]
                if taps.size == 1:
                    while first_tap < last_tap and order[first_tap] != middle:
                        first_tap += 1
                    last_tap = min(last_tap, first_tap + 1)
                if bottom <= top or first_tap == last_tap:
                    continue
                skipped = top * columns
                start = phase * phase_size
                part = inner[start + skipped : start + bottom * columns]
                source = spread[skipped:]
                add_taps(part, source, turned_offsets, turned[branch], first_tap, last_tap)
        if dx.size:
            join(inner, dx[n, channel], padding, stride, rows, columns)
    for branch in range(branches):
        for tap in range(offsets.size):
            dkernels[branch, channel, tap] = sums[branch, tap]


@compiled(parallel=True, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    x,
    kernels,
    is_full,
    scales,
    means,
    inverses,
    dy,
    dx,
    dkernels,
    dscales,
    dshift,
    kernel,
    padding,
    stride,
):
    """Write the gradients of `forward`.

    Args:
        x, kernels, is_full, scales: as in `forward`.
        means: [B, C] float32 from `forward`.
        inverses: [B, C] float32, 1 / standard deviation of each branch.
        dy: [N, C, out_h, out_w] float32, gradient of the sum.
        dx: as x, overwritten; of size 0 if it is not wanted.
        dkernels: as kernels, overwritten; 0 where a branch has no tap.
        dscales: [B, C] float32, overwritten.
        dshift: [C] float32, overwritten; each branch's.
        kernel, padding, stride: as in `forward`.
    """
    for channel in prange(x.shape[1]):
        _backward_channel(
            *(x, kernels, is_full, scales, means, inverses, dy, dx, dkernels, dscales, dshift),
            *(kernel, padding, stride, channel),
        )
