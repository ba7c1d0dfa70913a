"""Compiled loops of the depthwise convolution.

Sums have a fixed order: a plane is one thread's work, and partial weight gradients are added in
the order of the batch. `plane` says how a plane is laid out, and why the forward pass is
paddle's to the bit.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import compiled
from training.kernels.loops.plane import (
    add_taps,
    dot_taps,
    forward_offsets,
    join,
    phase_shape,
    phase_taps,
    split,
    sum_taps,
    sum_taps_at,
)

# paddle's matrix product adds the taps of so many outputs in blocks of eight, and of the remainder
# one after another.
_BLOCK_OUTPUTS = 16

# The batch is cut into at most this many parts for the weight gradient, whatever the number of
# threads, so that the order of its sums does not depend on the machine.
_BATCH_PARTS = 4


@compiled(error_model="numpy")
def _forward_planes(  # type: ignore[no-untyped-def]
    x, weight, out, padding, stride, channel, first, last
):
    """Convolve one channel of images first <= n < last."""
    height, width = x.shape[2], x.shape[3]
    out_height, out_width = out.shape[2], out.shape[3]
    kernel = (weight.shape[2], weight.shape[3])
    rows, columns = phase_shape(height, width, padding, stride)
    offsets = forward_offsets(kernel, stride, rows, columns)
    taps = weight[channel, 0].reshape(offsets.size)
    buffer = np.zeros(stride[0] * stride[1] * rows * columns, np.float32)
    total = np.empty((out_height - 1) * columns + out_width, np.float32)
    for n in range(first, last):
        split(x[n, channel], buffer, padding, stride, rows, columns)
        sum_taps(total, buffer, offsets, taps)
        for h in range(out_height):
            source = total[h * columns : h * columns + out_width]
            target = out[n, channel, h]
            for w in range(out_width):
                target[w] = source[w]
        num_outputs = out_height * out_width
        for place in range(num_outputs - num_outputs % _BLOCK_OUTPUTS, num_outputs):
            h, w = place // out_width, place % out_width
            out[n, channel, h, w] = sum_taps_at(buffer, offsets, taps, h * columns + w)


@compiled(error_model="numpy")
def _backward_planes(  # type: ignore[no-untyped-def]
    x, weight, dout, dx, dweight, padding, stride, channel, first, last
):
    """Gradients of one channel over images first <= n < last; an empty dx or dweight is skipped.

    The input gradient is the same flat sum with every offset turned round: gaps between the rows
    of dout are zero, so what runs over a row's end adds nothing.
    """
    height, width = x.shape[2], x.shape[3]
    out_height, out_width = dout.shape[2], dout.shape[3]
    kernel = (weight.shape[2], weight.shape[3])
    rows, columns = phase_shape(height, width, padding, stride)
    phase_size = rows * columns
    margin = ((kernel[0] - 1) // stride[0]) * columns + (kernel[1] - 1) // stride[1]
    length = (out_height - 1) * columns + out_width
    order, offsets, bounds = phase_taps(kernel, stride, columns, margin)
    taps = weight[channel, 0].reshape(order.size)[order]
    tap_offsets = forward_offsets(kernel, stride, rows, columns)
    buffer = np.zeros(stride[0] * stride[1] * phase_size, np.float32)
    inner = np.zeros(stride[0] * stride[1] * phase_size, np.float32)
    spread = np.zeros(margin + max(phase_size, length), np.float32)
    for n in range(first, last):
        for h in range(out_height):
            start = margin + h * columns
            target = spread[start : start + out_width]
            source = dout[n, channel, h]
            for w in range(out_width):
                target[w] = source[w]
        if dx.size:
            inner[:] = np.float32(0.0)
            for phase in range(bounds.size - 1):
                # Rows of this phase that are padding alone are never looked at.
                phase_h = phase // stride[1]
                top = max(0, (padding[0] - phase_h + stride[0] - 1) // stride[0])
                bottom = (padding[0] + height - 1 - phase_h) // stride[0] + 1
                if bottom <= top:
                    continue
                skipped = top * columns
                part = inner[phase * phase_size + skipped : phase * phase_size + bottom * columns]
                first_tap, last_tap = bounds[phase], bounds[phase + 1]
                add_taps(part, spread[skipped:], offsets, taps, first_tap, last_tap)
            join(inner, dx[n, channel], padding, stride, rows, columns)
        if dweight.size:
            split(x[n, channel], buffer, padding, stride, rows, columns)
            dot_taps(dweight, spread[margin : margin + length], buffer, tap_offsets)


@compiled(parallel=True, error_model="numpy")
def forward(x, weight, out, padding, stride):  # type: ignore[no-untyped-def]
    """Write the depthwise convolution of x into out.

    Args:
        x: [N, C, H, W] float32.
        weight: [C, 1, kernel_h, kernel_w] float32.
        out: [N, C, out_h, out_w] float32, overwritten.
        padding: (vertical, horizontal), pixels on each side.
        stride: (vertical, horizontal), pixels.
    """
    batch, channels = x.shape[0], x.shape[1]
    parts = min(batch, _BATCH_PARTS)
    for task in prange(channels * parts):
        channel, part = task // parts, task % parts
        first, last = part * batch // parts, (part + 1) * batch // parts
        _forward_planes(x, weight, out, padding, stride, channel, first, last)


@compiled(parallel=True, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    x, weight, dout, dx, dweight, padding, stride
):
    """Write the gradients of the depthwise convolution into dx and dweight.

    Args:
        x: [N, C, H, W] float32.
        weight: [C, 1, kernel_h, kernel_w] float32.
        dout: [N, C, out_h, out_w] float32, gradient of the output.
        dx: as x, overwritten; of size 0 if it is not wanted.
        dweight: as weight, overwritten; of size 0 if it is not wanted.
        padding: (vertical, horizontal), pixels on each side.
        stride: (vertical, horizontal), pixels.
    """
    batch, channels = x.shape[0], x.shape[1]
    parts = min(batch, _BATCH_PARTS)
    taps = weight.shape[2] * weight.shape[3] if dweight.size else 0
    # Partial sums in float64: the order of the batch parts then hardly matters, and is fixed.
    partial = np.zeros((parts, channels, taps), np.float64)
    for task in prange(channels * parts):
        channel, part = task // parts, task % parts
        first, last = part * batch // parts, (part + 1) * batch // parts
        _backward_planes(
            x, weight, dout, dx, partial[part, channel], padding, stride, channel, first, last
        )
    for channel in range(channels if taps else 0):
        flat = dweight[channel, 0].reshape(taps)
        for tap in range(taps):
            total = 0.0
            for part in range(parts):
                total += partial[part, channel, tap]
            flat[tap] = total
