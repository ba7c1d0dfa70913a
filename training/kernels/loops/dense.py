"""Compiled loops of convolutions over all channels, with kernels of more than one tap.

paddle copies every tap of every pixel into a matrix before it multiplies, which takes several
times as long as the products where the channels are few. Here taps read rows where they lie:
padded, split by horizontal stride, and all channels of a row beside each other, so that what a
row of outputs reads stays in the cache.

Sums have a fixed order, whatever the number of threads: a row of outputs, or the taps between two
channels, are one thread's work.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import compiled
from training.kernels.loops.tiles import (
    CHANNELS,
    DOT_CHANNELS,
    PIXELS,
    WIDTH,
    dot_tap,
    dot_three_taps,
    dot_two_taps,
    multiply_tile,
)


@compiled(parallel=True, error_model="numpy")
def lay_out(x, rows, padding, stride):  # type: ignore[no-untyped-def]
    """Copy planes to padded rows.

    Args:
        x: [N, C, H, W] float32.
        rows: [N, rows, stride, C', columns] float32, overwritten, C' at least C; padded pixel
            (r, q stride + b) of channel c goes to [n, r, b, c, q].
        padding: above and on the left, pixels.
        stride: horizontal.
    """
    batch, channels, height, width = x.shape
    num_rows = rows.shape[1]
    for task in prange(batch * num_rows):
        n, row = task // num_rows, task % num_rows
        rows[n, row] = np.float32(0.0)
        h = row - padding[0]
        if h < 0 or h >= height:
            continue
        for c in range(channels):
            source = x[n, c, h]
            for phase in range(stride):
                # The first pixel of the phase, and where it goes.
                first = (phase - padding[1]) % stride
                place = (first + padding[1]) // stride
                count = (width - first + stride - 1) // stride
                target = rows[n, row, phase, c, place : place + count]
                if stride == 1:
                    for w in range(count):
                        target[w] = source[w]
                else:
                    for w in range(count):
                        target[w] = source[first + w * stride]


@compiled(parallel=True, error_model="numpy")
def convolve(rows, steps, offsets, weights, bias, out, phase):  # type: ignore[no-untyped-def]
    """Write some rows and columns of a convolution: all, or those of one phase.

    Args:
        rows: [N, ...] float32, as `lay_out` fills them, and PIXELS more behind the last.
        steps: first place in an image's rows and how far it is from a row of outputs to the next.
        offsets: [K] int64, where each product begins to read.
        weights: [groups, K, CHANNELS] float32.
        bias: [O] float32, or empty.
        out: [N, O, H, W] float32, overwritten in part.
        phase: first row, step, first column, step of what is written.
    """
    batch, outputs, height, width = out.shape
    first_row, row_step, first_column, column_step = phase
    num_rows = max(0, (height - first_row + row_step - 1) // row_step)
    num_columns = max(0, (width - first_column + column_step - 1) // column_step)
    flat = rows.reshape(rows.size)
    count = offsets.size
    for task in prange(batch * num_rows):
        n, row = task // num_rows, task % num_rows
        begin = n * steps[2] + steps[0] + row * steps[1]
        h = first_row + row * row_step
        tile = np.empty((CHANNELS, PIXELS), np.float32)
        for column in range(0, num_columns, PIXELS):
            valid = min(PIXELS, num_columns - column)
            for group in range(weights.shape[0]):
                multiply_tile(
                    tile.ctypes.data,
                    flat[begin + column :].ctypes.data,
                    offsets.ctypes.data,
                    weights[group].ctypes.data,
                    count,
                )
                first = group * CHANNELS
                for channel in range(min(CHANNELS, outputs - first)):
                    shift = bias[first + channel] if bias.size else np.float32(0.0)
                    target = out[n, first + channel, h]
                    source = tile[channel]
                    if column_step == 1:
                        place = first_column + column
                        for j in range(valid):
                            target[place + j] = source[j] + shift
                    else:
                        for j in range(valid):
                            place = first_column + (column + j) * column_step
                            target[place] = source[j] + shift


@compiled(parallel=True, error_model="numpy")
def weight_gradient(rows, gradients, dweight, offsets, steps, num_rows, length):  # type: ignore[no-untyped-def]
    """Write the gradient of the kernels.

    Args:
        rows: [N, image] float32, of the input, as `convolve` reads them.
        gradients: [N, image] float32, of the output, as `convolve` would read them at stride 1;
            the number of channels is a multiple of DOT_CHANNELS.
        dweight: [O, C, taps] float32, overwritten.
        offsets: [C, taps] int64, where each tap begins to read in `rows`.
        steps: from a row of outputs to the next in `rows`; where the first row of gradients
            begins, from row to row, and from channel to channel.
        num_rows: of outputs.
        length: of a row of outputs.
    """
    outputs, channels, taps = dweight.shape
    groups = (outputs + DOT_CHANNELS - 1) // DOT_CHANNELS
    vectors = (length + WIDTH - 1) // WIDTH
    for task in prange(groups * channels):
        output, channel = DOT_CHANNELS * (task % groups), task // groups
        totals = np.zeros((DOT_CHANNELS, taps), np.float64)
        sums = np.empty(DOT_CHANNELS * 3 * WIDTH, np.float32)
        to = sums.ctypes.data
        for n in range(rows.shape[0]):
            left = gradients[n, steps[1] + output * steps[3] :].ctypes.data
            source = rows[n].ctypes.data
            tap = 0
            while tap < taps:
                places = offsets[channel, tap:].ctypes.data
                done = min(3, taps - tap)
                if done == 3:
                    dot_three_taps(
                        *(to, left, steps[3], steps[2]),
                        *(source, places, steps[0], num_rows, vectors),
                    )
                elif done == 2:
                    dot_two_taps(
                        *(to, left, steps[3], steps[2]),
                        *(source, places, steps[0], num_rows, vectors),
                    )
                else:
                    dot_tap(
                        *(to, left, steps[3], steps[2]),
                        *(source, places, steps[0], num_rows, vectors),
                    )
                for which in range(DOT_CHANNELS):
                    for index in range(done):
                        for lane in range(WIDTH):
                            place = (which * done + index) * WIDTH + lane
                            totals[which, tap + index] += sums[place]
                tap += done
        for which in range(min(DOT_CHANNELS, outputs - output)):
            for tap in range(taps):
                dweight[output + which, channel, tap] = totals[which, tap]
