"""Compiled loops over one plane of a depthwise convolution, laid out for long flat sums.

A plane (one image, one channel) is copied into a zero-padded buffer that is split by
stride phase: row r, column q of phase (a, b) holds padded pixel (r * stride_h + a,
q * stride_w + b). In that layout every kernel tap, at any stride, reads consecutive memory at a
fixed offset, so convolution, input gradient and weight gradient all become sums over long flat
arrays, which the compiler turns into vector instructions. The few columns computed between the
rows are never copied out.

`sum_taps` adds its taps in the order in which paddle's matrix product does on a CPU with AVX-512,
found by probing it with values that cancel: there the results are paddle's to the bit, and
networks read what PaddleOCR's do.
"""

from __future__ import annotations

import numpy as np

from training.kernels.compilation import FAST, compiled

# Products may be fused into sums, which stay in the order they are written in.
_IN_ORDER = {"contract"}


@compiled(fastmath=FAST, error_model="numpy")
def add_taps(total, source, offsets, weights, first, last):  # type: ignore[no-untyped-def]
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
def sum_taps(total, source, offsets, weights):  # type: ignore[no-untyped-def]
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
def sum_taps_at(source, offsets, weights, place):  # type: ignore[no-untyped-def]
    """Return the sum of weights[t] * source[offsets[t] + place], one tap after another."""
    total = np.float32(0.0)
    for tap in range(offsets.size):
        total = weights[tap] * source[offsets[tap] + place] + total
    return total


@compiled(fastmath=FAST, error_model="numpy")
def dot_taps(sums, left, source, offsets):  # type: ignore[no-untyped-def]
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
def phase_shape(height, width, padding, stride):  # type: ignore[no-untyped-def]
    """Rows and columns of one phase of the padded plane."""
    rows = (height + 2 * padding[0] + stride[0] - 1) // stride[0]
    columns = (width + 2 * padding[1] + stride[1] - 1) // stride[1]
    return rows, columns


@compiled(error_model="numpy")
def forward_offsets(kernel, stride, rows, columns):  # type: ignore[no-untyped-def]
    """Where each tap, in row-major order, starts reading in the phase-split plane."""
    offsets = np.empty(kernel[0] * kernel[1], np.int64)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            phase = (i % stride[0]) * stride[1] + j % stride[1]
            offsets[i * kernel[1] + j] = (phase * rows + i // stride[0]) * columns + j // stride[1]
    return offsets


@compiled(error_model="numpy")
def split(plane, buffer, padding, stride, rows, columns):  # type: ignore[no-untyped-def]
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
def join(buffer, plane, padding, stride, rows, columns):  # type: ignore[no-untyped-def]
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
def phase_taps(kernel, stride, columns, margin):  # type: ignore[no-untyped-def]
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
