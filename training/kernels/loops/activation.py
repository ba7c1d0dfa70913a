"""Activations and their slopes over rows, in vector instructions.

Each is named by a number, so that one compiled loop serves all. The error function is good to
1.5e-7 (absolute).

Source: Abramowitz and Stegun 1964, formula 7.1.26, for the error function.
"""

from __future__ import annotations

import numpy as np

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.softmax import exp32

NONE, RELU, HARDSWISH, SWISH, GELU = range(5)

# exp of anything larger is infinite in float32.
_LARGEST_EXPONENT = np.float32(88.0)
_HALF, _ONE = np.float32(0.5), np.float32(1.0)
_ROOT_OF_HALF = np.float32(np.sqrt(0.5))
_PEAK = np.float32(1 / np.sqrt(2 * np.pi))
"""Of the normal density."""


@compiled(fastmath=FAST, error_model="numpy")
def _sigmoid(z):  # type: ignore[no-untyped-def]
    exponent = -z
    exponent = _LARGEST_EXPONENT if exponent > _LARGEST_EXPONENT else exponent
    return _ONE / (_ONE + exp32(exponent))


@compiled(fastmath=FAST, error_model="numpy")
def _normal(z):  # type: ignore[no-untyped-def]
    """Return the distribution function of the normal distribution, and exp(-z²/2)."""
    bell = exp32(-_HALF * z * z)
    t = _ONE / (_ONE + np.float32(0.3275911) * _ROOT_OF_HALF * abs(z))
    p = np.float32(1.061405429)
    p = p * t + np.float32(-1.453152027)
    p = p * t + np.float32(1.421413741)
    p = p * t + np.float32(-0.284496736)
    p = p * t + np.float32(0.254829592)
    tail = _HALF * p * t * bell
    return (tail if z < np.float32(0.0) else _ONE - tail), bell


@compiled(fastmath=FAST, error_model="numpy")
def scale_and_activate(x, y, scale, shift, kind):  # type: ignore[no-untyped-def]
    """y = activation(scale x + shift), over one row."""
    zero, three, six = np.float32(0.0), np.float32(3.0), np.float32(6.0)
    if kind == NONE:
        for j in range(x.size):
            y[j] = x[j] * scale + shift
    elif kind == RELU:
        for j in range(x.size):
            z = x[j] * scale + shift
            y[j] = zero if z < zero else z
    elif kind == HARDSWISH:
        for j in range(x.size):
            z = x[j] * scale + shift
            y[j] = z * min(max(z + three, zero), six) / six
    elif kind == SWISH:
        for j in range(x.size):
            z = x[j] * scale + shift
            y[j] = z * _sigmoid(z)
    else:
        for j in range(x.size):
            z = x[j] * scale + shift
            share, _ = _normal(z)
            y[j] = z * share


@compiled(fastmath=FAST, error_model="numpy")
def slope_times(x, dy, dz, scale, shift, kind):  # type: ignore[no-untyped-def]
    """dz = dy times the activation's slope at scale x + shift, over one row."""
    zero, three = np.float32(0.0), np.float32(3.0)
    if kind == NONE:
        for j in range(x.size):
            dz[j] = dy[j]
    elif kind == RELU:
        for j in range(x.size):
            z = x[j] * scale + shift
            dz[j] = zero if z <= zero else dy[j]
    elif kind == HARDSWISH:
        for j in range(x.size):
            z = x[j] * scale + shift
            slope = z * np.float32(1 / 3) + _HALF
            slope = zero if z <= -three else slope
            dz[j] = dy[j] * (_ONE if z >= three else slope)
    elif kind == SWISH:
        for j in range(x.size):
            z = x[j] * scale + shift
            share = _sigmoid(z)
            dz[j] = dy[j] * (share + z * share * (_ONE - share))
    else:
        for j in range(x.size):
            z = x[j] * scale + shift
            share, bell = _normal(z)
            dz[j] = dy[j] * (share + z * (_PEAK * bell))
