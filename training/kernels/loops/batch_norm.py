"""Compiled loops of batch normalisation followed by hard-swish.

One channel is one thread's work. Within it the planes of the batch are summed in order, each
plane around its own mean, and combined in float64 (Chan, Golub and LeVeque, 1983): one pass over
memory, without the cancellation of a sum of squares.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.sums import squares_around, total_of


@compiled(fastmath=FAST, error_model="numpy")
def moments(x, channel):  # type: ignore[no-untyped-def]
    """Mean and biased variance of one channel, float64."""
    size = x.shape[2]
    mean, squares, seen = 0.0, 0.0, 0
    for n in range(x.shape[0]):
        plane = x[n, channel]
        plane_mean = np.float64(total_of(plane)) / size
        plane_squares = np.float64(squares_around(plane, np.float32(plane_mean)))
        # The rounding of the centre to float32 is far below that of the plane's own sum.
        delta = plane_mean - mean
        together = seen + size
        mean += delta * size / together
        squares += plane_squares + delta * delta * seen * size / together
        seen = together
    return mean, squares / seen


@compiled(error_model="numpy")
def _scale_and_activate(x, y, scale, shift):  # type: ignore[no-untyped-def]
    """Scale, shift and activate in paddle's order, which fuses nothing and divides."""
    zero, three, six = np.float32(0.0), np.float32(3.0), np.float32(6.0)
    for j in range(x.size):
        z = x[j] * scale + shift
        y[j] = z * min(max(z + three, zero), six) / six


@compiled(fastmath=FAST, error_model="numpy")
def _activation_slope(z):  # type: ignore[no-untyped-def]
    """Derivative of hard-swish: 0 below -3, 1 from 3 on, z / 3 + 1 / 2 between."""
    three = np.float32(3.0)
    slope = z * np.float32(1 / 3) + np.float32(0.5)
    slope = np.float32(0.0) if z <= -three else slope
    return np.float32(1.0) if z >= three else slope


@compiled(fastmath=FAST, error_model="numpy")
def _gradient_sums(x, dy, scale, shift, mean):  # type: ignore[no-untyped-def]
    """Sums of dz and of dz * (x - mean) over a plane, z being what enters the activation."""
    plain, weighted = np.float32(0.0), np.float32(0.0)
    for j in range(x.size):
        dz = dy[j] * _activation_slope(x[j] * scale + shift)
        plain += dz
        weighted += dz * (x[j] - mean)
    return plain, weighted


@compiled(fastmath=FAST, error_model="numpy")
def _input_gradient(x, dy, dx, scale, shift, mean, offset, slope):  # type: ignore[no-untyped-def]
    for j in range(x.size):
        dz = dy[j] * _activation_slope(x[j] * scale + shift)
        dx[j] = scale * dz - offset - (x[j] - mean) * slope


@compiled(parallel=True, error_model="numpy")
def forward(  # type: ignore[no-untyped-def]
    x, weight, bias, running_mean, running_variance, momentum, epsilon, training, y, mean, inverse
):
    """Normalise x by its channel statistics (or the running ones) and apply hard-swish.

    Args:
        x: [N, C, H * W] float32.
        weight: [C] float32.
        bias: [C] float32.
        running_mean: [C] float32, moved towards the batch's mean when training.
        running_variance: [C] float32, moved towards the batch's biased variance when training.
        momentum: share of the running statistics that stays.
        epsilon: added to the variance.
        training: True for the batch's own statistics.
        y: as x, overwritten.
        mean: [C] float32, the mean to use; overwritten with the batch's when training.
        inverse: [C] float32, 1 / standard deviation to use; overwritten when training.
    """
    for channel in prange(x.shape[1]):
        if training:
            channel_mean, variance = moments(x, channel)
            running_mean[channel] = running_mean[channel] * momentum + channel_mean * (
                1.0 - momentum
            )
            running_variance[channel] = running_variance[channel] * momentum + variance * (
                1.0 - momentum
            )
            mean[channel] = channel_mean
            inverse[channel] = 1.0 / np.sqrt(variance + epsilon)
        scale = weight[channel] * inverse[channel]
        shift = bias[channel] - mean[channel] * inverse[channel] * weight[channel]
        for n in range(x.shape[0]):
            _scale_and_activate(x[n, channel], y[n, channel], scale, shift)


@compiled(parallel=True, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    x, weight, bias, mean, inverse, training, dy, dx, dweight, dbias
):
    """Write the gradients of `forward`; what entered the activation is computed again.

    Args:
        x: [N, C, H * W] float32, the input of `forward`.
        weight: [C] float32.
        bias: [C] float32.
        mean: [C] float32 from `forward`.
        inverse: [C] float32 from `forward`.
        training: as in `forward`; if False the statistics are constants.
        dy: as x, gradient of the output.
        dx: as x, overwritten; of size 0 if it is not wanted.
        dweight: [C] float32, overwritten.
        dbias: [C] float32, overwritten.
    """
    count = np.float64(x.shape[0] * x.shape[2])
    for channel in prange(x.shape[1]):
        centre = mean[channel]
        scale = np.float32(weight[channel] * inverse[channel])
        shift = np.float32(bias[channel] - np.float64(centre) * scale)
        plain, weighted = 0.0, 0.0
        for n in range(x.shape[0]):
            part, weighted_part = _gradient_sums(
                x[n, channel], dy[n, channel], scale, shift, centre
            )
            plain += part
            weighted += weighted_part
        dbias[channel] = plain
        dweight[channel] = weighted * inverse[channel]
        if dx.size:
            offset, slope = np.float32(0.0), np.float32(0.0)
            if training:
                offset = np.float32(scale * plain / count)
                slope = np.float32(scale * weighted * inverse[channel] * inverse[channel] / count)
            for n in range(x.shape[0]):
                _input_gradient(
                    x[n, channel],
                    dy[n, channel],
                    dx[n, channel],
                    scale,
                    shift,
                    centre,
                    offset,
                    slope,
                )
