"""Compiled loops of the depthwise convolution.

One plane (one image, one channel) at a time is copied into a zero-padded buffer that is split by
stride phase: row r, column q of phase (a, b) holds padded pixel (r * stride_h + a,
q * stride_w + b). In that layout every kernel tap, at any stride, reads consecutive memory at a
fixed offset, so convolution, input gradient and weight gradient all become sums over long flat
arrays, which the compiler turns into vector instructions. The few columns computed between the
rows are never copied out.

Sums have a fixed order: a plane is one thread's work, and partial weight gradients are added in
the order of the batch. The forward pass adds its taps in the order in which paddle's matrix product
does on a CPU with AVX-512, found by probing it with values that cancel: there the results are
paddle's to the bit, and networks read what PaddleOCR's do.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import compiled

# Sums may be reordered and fused; infinities and NaN keep their meaning, because the training
# loop has to see them.
_FAST = {"reassoc", "contract", "nsz", "arcp"}

# Products may be fused into sums, which stay in the order they are written in.
_IN_ORDER = {"contract"}

# paddle's matrix product adds the taps of so many outputs in blocks of eight, and of the remainder
# one after another.
_BLOCK_OUTPUTS = 16

# The batch is cut into at most this many parts for the weight gradient, whatever the number of
# threads, so that the order of its sums does not depend on the machine.
_BATCH_PARTS = 4


@compiled(fastmath=_FAST, error_model="numpy")
def _add_taps(total, source, offsets, weights, first, last):  # type: ignore[no-untyped-def]
    """total[j] += sum of weights[t] * source[offsets[t] + j] over taps first <= t < last."""
    length = total.size
    tap = first
    while tap + 5 <= last:
        w0, w1, w2, w3, w4 = (
            weights[tap],
            weights[tap + 1],
            weights[tap + 2],
            weights[tap + 3],
            weights[tap + 4],
        )
        s0 = source[offsets[tap] : offsets[tap] + length]
        s1 = source[offsets[tap + 1] : offsets[tap + 1] + length]
        s2 = source[offsets[tap + 2] : offsets[tap + 2] + length]
        s3 = source[offsets[tap + 3] : offsets[tap + 3] + length]
        s4 = source[offsets[tap + 4] : offsets[tap + 4] + length]
        for j in range(length):
            total[j] += w0 * s0[j] + w1 * s1[j] + w2 * s2[j] + w3 * s3[j] + w4 * s4[j]
        tap += 5
    while tap + 2 <= last:
        w0, w1 = weights[tap], weights[tap + 1]
        s0 = source[offsets[tap] : offsets[tap] + length]
        s1 = source[offsets[tap + 1] : offsets[tap + 1] + length]
        for j in range(length):
            total[j] += w0 * s0[j] + w1 * s1[j]
        tap += 2
    if tap < last:
        w0 = weights[tap]
        s0 = source[offsets[tap] : offsets[tap] + length]
        for j in range(length):
            total[j] += w0 * s0[j]


@compiled(fastmath=_IN_ORDER, error_model="numpy")
def _sum_taps(total, source, offsets, weights):  # type: ignore[no-untyped-def]
    """total[j] = sum of weights[t] * source[offsets[t] + j] over all taps, in blocks of eight."""
    length = total.size
    total[:] = np.float32(0.0)
    tap = 0
    while tap + 8 <= offsets.size:
        w0, w1, w2, w3 = weights[tap], weights[tap + 1], weights[tap + 2], weights[tap + 3]
        w4, w5, w6, w7 = weights[tap + 4], weights[tap + 5], weights[tap + 6], weights[tap + 7]
        s0 = source[offsets[tap] : offsets[tap] + length]
        s1 = source[offsets[tap + 1] : offsets[tap + 1] + length]
        s2 = source[offsets[tap + 2] : offsets[tap + 2] + length]
        s3 = source[offsets[tap + 3] : offsets[tap + 3] + length]
        s4 = source[offsets[tap + 4] : offsets[tap + 4] + length]
        s5 = source[offsets[tap + 5] : offsets[tap + 5] + length]
        s6 = source[offsets[tap + 6] : offsets[tap + 6] + length]
        s7 = source[offsets[tap + 7] : offsets[tap + 7] + length]
        for j in range(length):
            even = w4 * s4[j] + (w6 * s6[j] + total[j])
            odd = w5 * s5[j] + w7 * s7[j]
            first = (w0 * s0[j] + w2 * s2[j]) + (w1 * s1[j] + w3 * s3[j])
            total[j] = (even + odd) + first
        tap += 8
    while tap < offsets.size:
        w0 = weights[tap]
        s0 = source[offsets[tap] : offsets[tap] + length]
        for j in range(length):
            total[j] = w0 * s0[j] + total[j]
        tap += 1


@compiled(fastmath=_IN_ORDER, error_model="numpy")
def _sum_taps_at(source, offsets, weights, place):  # type: ignore[no-untyped-def]
    """Return the sum of weights[t] * source[offsets[t] + place], one tap after another."""
    total = np.float32(0.0)
    for tap in range(offsets.size):
        total = weights[tap] * source[offsets[tap] + place] + total
    return total


@compiled(fastmath=_FAST, error_model="numpy")
def _dot_taps(sums, left, source, offsets):  # type: ignore[no-untyped-def]
    """sums[t] += dot product of left with source[offsets[t] :], for every tap t."""
    length = left.size
    taps = offsets.size
    tap = 0
    zero = np.float32(0.0)
    while tap + 5 <= taps:
        s0 = source[offsets[tap] : offsets[tap] + length]
        s1 = source[offsets[tap + 1] : offsets[tap + 1] + length]
        s2 = source[offsets[tap + 2] : offsets[tap + 2] + length]
        s3 = source[offsets[tap + 3] : offsets[tap + 3] + length]
        s4 = source[offsets[tap + 4] : offsets[tap + 4] + length]
        t0, t1, t2, t3, t4 = zero, zero, zero, zero, zero
        for j in range(length):
            value = left[j]
            t0 += value * s0[j]
            t1 += value * s1[j]
            t2 += value * s2[j]
            t3 += value * s3[j]
            t4 += value * s4[j]
        sums[tap] += t0
        sums[tap + 1] += t1
        sums[tap + 2] += t2
        sums[tap + 3] += t3
        sums[tap + 4] += t4
        tap += 5
    while tap < taps:
        s0 = source[offsets[tap] : offsets[tap] + length]
        t0 = zero
        for j in range(length):
            t0 += left[j] * s0[j]
        sums[tap] += t0
        tap += 1


@compiled(error_model="numpy")
def _phase_shape(height, width, padding, stride):  # type: ignore[no-untyped-def]
    """Rows and columns of one phase of the padded plane."""
    rows = (height + 2 * padding[0] + stride[0] - 1) // stride[0]
    columns = (width + 2 * padding[1] + stride[1] - 1) // stride[1]
    return rows, columns


@compiled(error_model="numpy")
def _forward_offsets(kernel, stride, rows, columns):  # type: ignore[no-untyped-def]
    """Where each tap, in row-major order, starts reading in the phase-split plane."""
    offsets = np.empty(kernel[0] * kernel[1], np.int64)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            phase = (i % stride[0]) * stride[1] + j % stride[1]
            offsets[i * kernel[1] + j] = (phase * rows + i // stride[0]) * columns + j // stride[1]
    return offsets


@compiled(error_model="numpy")
def _split(plane, buffer, padding, stride, rows, columns):  # type: ignore[no-untyped-def]
    """Copy a plane into the padded, phase-split buffer, whose border is already zero."""
    height, width = plane.shape
    for h in range(height):
        row, phase_h = (h + padding[0]) // stride[0], (h + padding[0]) % stride[0]
        source = plane[h]
        if stride[1] == 1:
            start = (phase_h * rows + row) * columns + padding[1]
            target = buffer[start : start + width]
            for w in range(width):
                target[w] = source[w]
        else:
            for w in range(width):
                phase = phase_h * stride[1] + (w + padding[1]) % stride[1]
                buffer[(phase * rows + row) * columns + (w + padding[1]) // stride[1]] = source[w]


@compiled(error_model="numpy")
def _join(buffer, plane, padding, stride, rows, columns):  # type: ignore[no-untyped-def]
    """Copy the inside of a padded, phase-split buffer back into a plane."""
    height, width = plane.shape
    for h in range(height):
        row, phase_h = (h + padding[0]) // stride[0], (h + padding[0]) % stride[0]
        target = plane[h]
        if stride[1] == 1:
            start = (phase_h * rows + row) * columns + padding[1]
            source = buffer[start : start + width]
            for w in range(width):
                target[w] = source[w]
        else:
            for w in range(width):
                phase = phase_h * stride[1] + (w + padding[1]) % stride[1]
                target[w] = buffer[(phase * rows + row) * columns + (w + padding[1]) // stride[1]]


@compiled(error_model="numpy")
def _forward_planes(  # type: ignore[no-untyped-def]
    x, weight, out, padding, stride, channel, first, last
):
    """Convolve one channel of images first <= n < last."""
    height, width = x.shape[2], x.shape[3]
    out_height, out_width = out.shape[2], out.shape[3]
    kernel = (weight.shape[2], weight.shape[3])
    rows, columns = _phase_shape(height, width, padding, stride)
    offsets = _forward_offsets(kernel, stride, rows, columns)
    taps = weight[channel, 0].reshape(offsets.size)
    buffer = np.zeros(stride[0] * stride[1] * rows * columns, np.float32)
    total = np.empty((out_height - 1) * columns + out_width, np.float32)
    for n in range(first, last):
        _split(x[n, channel], buffer, padding, stride, rows, columns)
        _sum_taps(total, buffer, offsets, taps)
        for h in range(out_height):
            source = total[h * columns : h * columns + out_width]
            target = out[n, channel, h]
            for w in range(out_width):
                target[w] = source[w]
        num_outputs = out_height * out_width
        for place in range(num_outputs - num_outputs % _BLOCK_OUTPUTS, num_outputs):
            h, w = place // out_width, place % out_width
            out[n, channel, h, w] = _sum_taps_at(buffer, offsets, taps, h * columns + w)


@compiled(error_model="numpy")
def _phase_taps(kernel, stride, columns, margin):  # type: ignore[no-untyped-def]
    """Taps grouped by phase, for the input gradient: their order, offsets and group bounds."""
    count = kernel[0] * kernel[1]
    order = np.empty(count, np.int64)
    offsets = np.empty(count, np.int64)
    bounds = np.zeros(stride[0] * stride[1] + 1, np.int64)
    position = 0
    for phase_h in range(stride[0]):
        for phase_w in range(stride[1]):
            for i in range(phase_h, kernel[0], stride[0]):
                for j in range(phase_w, kernel[1], stride[1]):
                    order[position] = i * kernel[1] + j
                    offsets[position] = margin - (i // stride[0]) * columns - j // stride[1]
                    position += 1
            bounds[phase_h * stride[1] + phase_w + 1] = position
    return order, offsets, bounds


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
    rows, columns = _phase_shape(height, width, padding, stride)
    phase_size = rows * columns
    margin = ((kernel[0] - 1) // stride[0]) * columns + (kernel[1] - 1) // stride[1]
    length = (out_height - 1) * columns + out_width
    order, offsets, bounds = _phase_taps(kernel, stride, columns, margin)
    taps = weight[channel, 0].reshape(order.size)[order]
    forward_offsets = _forward_offsets(kernel, stride, rows, columns)
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
                _add_taps(part, spread[skipped:], offsets, taps, first_tap, last_tap)
            _join(inner, dx[n, channel], padding, stride, rows, columns)
        if dweight.size:
            _split(x[n, channel], buffer, padding, stride, rows, columns)
            _dot_taps(dweight, spread[margin : margin + length], buffer, forward_offsets)


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
