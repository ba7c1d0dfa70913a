"""Compiled loops of batch normalisation by the batch's own statistics, then an activation.

One channel is one thread's work; its planes are summed as `batch_norm` says.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.activation import scale_and_activate, slope_times
from training.kernels.loops.batch_norm import moments


@compiled(parallel=True, error_model="numpy")
def forward(x, weight, bias, epsilon, kind, y, mean, variance):  # type: ignore[no-untyped-def]
    """Normalise each channel, scale, shift and activate.

    Args:
        x: [N, C, P] float32.
        weight: [C] float32.
        bias: [C] float32.
        epsilon: added to the variance.
        kind: of the activation, a number of `activation`.
        y: as x, overwritten.
        mean: [C] float32, overwritten.
        variance: [C] float32, overwritten with the biased variance.
    """
    for channel in prange(x.shape[1]):
        centre, spread = moments(x, channel)
        mean[channel], variance[channel] = centre, spread
        factor = weight[channel] / np.sqrt(spread + epsilon)
        scale, shift = np.float32(factor), np.float32(bias[channel] - centre * factor)
        for n in range(x.shape[0]):
            scale_and_activate(x[n, channel], y[n, channel], scale, shift, kind)


@compiled(fastmath=FAST, error_model="numpy")
def _sums(dz, x, mean):  # type: ignore[no-untyped-def]
    plain, weighted = np.float32(0.0), np.float32(0.0)
    for j in range(x.size):
        plain += dz[j]
        weighted += dz[j] * (x[j] - mean)
    return plain, weighted


@compiled(fastmath=FAST, error_model="numpy")
def _finish(dx, x, scale, mean, offset, slope):  # type: ignore[no-untyped-def]
    for j in range(x.size):
        dx[j] = scale * dx[j] - offset - (x[j] - mean) * slope


@compiled(parallel=True, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    x, weight, bias, epsilon, kind, mean, variance, dy, dx, dweight, dbias
):
    """Write the gradients of `forward`.

    Args:
        x, weight, bias, epsilon, kind, mean, variance: as in `forward`.
        dy: as x, gradient of the output.
        dx: as x, overwritten.
        dweight: [C] float32, overwritten.
        dbias: [C] float32, overwritten.
    """
    count = np.float64(x.shape[0] * x.shape[2])
    for channel in prange(x.shape[1]):
        centre = mean[channel]
        inverse = 1.0 / np.sqrt(np.float64(variance[channel]) + epsilon)
        scale = np.float32(weight[channel] * inverse)
        shift = np.float32(bias[channel] - np.float64(centre) * weight[channel] * inverse)
        plain, weighted = 0.0, 0.0
        for n in range(x.shape[0]):
            dz = dx[n, channel]
            slope_times(x[n, channel], dy[n, channel], dz, scale, shift, kind)
            part, weighted_part = _sums(dz, x[n, channel], centre)
            plain += part
            weighted += weighted_part
        dbias[channel] = plain
        dweight[channel] = weighted * inverse
        offset = np.float32(scale * plain / count)
        slope = np.float32(scale * weighted * inverse * inverse / count)
        for n in range(x.shape[0]):
            _finish(dx[n, channel], x[n, channel], scale, centre, offset, slope)
