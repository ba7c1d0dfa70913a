"""Sums and slopes of the losses of a map, over one stretch of its pixels.

What is added here in float32, in vector instructions, is at most `BLOCK` numbers.
"""

from __future__ import annotations

import numpy as np

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.softmax import exp32, log32

BLOCK = 1024
"""Pixels of a stretch: what several losses read of the labels stays in the first cache."""

_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_LEAST_NORMAL = np.float32(np.finfo(np.float32).tiny)
_LEAST_LOG = np.float32(-100.0)
_LEAST_PRODUCT = np.float32(1e-12)
"""Both where paddle's cross entropy of probabilities has them."""


@compiled(fastmath=FAST, error_model="numpy")
def region_sums(values, label, mask):  # type: ignore[no-untyped-def]
    """Return where the mask is 1: values on the label, all values, the label, and the mask."""
    common, area, labelled, masked = _ZERO, _ZERO, _ZERO, _ZERO
    for j in range(values.size):
        text = label[j] * mask[j]
        common += values[j] * text
        area += values[j] * mask[j]
        labelled += text
        masked += mask[j]
    return common, area, labelled, masked


@compiled(fastmath=FAST, error_model="numpy")
def distance_sums(values, wanted, border):  # type: ignore[no-untyped-def]
    """Return how far values are from those wanted where the border is 1, and the border."""
    distance, masked = _ZERO, _ZERO
    for j in range(values.size):
        distance += abs(values[j] - wanted[j]) * border[j]
        masked += border[j]
    return distance, masked


@compiled(fastmath=FAST, error_model="numpy")
def entropy_sum(values, label, mask, background):  # type: ignore[no-untyped-def]
    """Return the cross entropy of text, summed, and write that of each pixel of background."""
    total = _ZERO
    for j in range(values.size):
        p, y = values[j], label[j]
        of_text = _LEAST_LOG if p < _LEAST_NORMAL else log32(p)
        of_rest = _LEAST_LOG if _ONE - p < _LEAST_NORMAL else log32(_ONE - p)
        entropy = (y - _ONE) * of_rest - y * of_text
        # The logarithm of NaN is a number here.
        entropy = entropy if p == p else p
        total += entropy * y * mask[j]
        background[j] = entropy * (_ONE - y) * mask[j]
    return total


@compiled(error_model="numpy")
def _clipped(p, low, high):  # type: ignore[no-untyped-def]
    p = low if p < low else p
    return high if p > high else p


@compiled(fastmath=FAST, error_model="numpy")
def error_powers(values, label, low, high, exponent, powers):  # type: ignore[no-untyped-def]
    """Write how wrong each clipped value is, 0 .. 1, raised to a power."""
    if exponent == _ONE:
        for j in range(values.size):
            p, y = _clipped(values[j], low, high), label[j]
            powers[j] = y * (_ONE - p) + (_ONE - y) * p
    elif exponent == np.float32(1.5):
        for j in range(values.size):
            p, y = _clipped(values[j], low, high), label[j]
            wrong = y * (_ONE - p) + (_ONE - y) * p
            powers[j] = wrong * np.sqrt(wrong)
    else:
        for j in range(values.size):
            p, y = _clipped(values[j], low, high), label[j]
            wrong = y * (_ONE - p) + (_ONE - y) * p
            powers[j] = exp32(exponent * log32(wrong))


@compiled(fastmath=FAST, error_model="numpy")
def focal_sum(values, label, mask, low, high, alpha, powers):  # type: ignore[no-untyped-def]
    """Return the focal losses, summed; `powers` are those of gamma - 1."""
    total = _ZERO
    for j in range(values.size):
        p, y = _clipped(values[j], low, high), label[j]
        wrong = y * (_ONE - p) + (_ONE - y) * p
        weight = alpha * y + (_ONE - alpha) * (_ONE - y)
        entropy = y * log32(p) + (_ONE - y) * log32(_ONE - p)
        total -= mask[j] * weight * powers[j] * wrong * entropy
    return total


@compiled(fastmath=FAST, error_model="numpy")
def region_slopes(label, mask, common, area, slopes):  # type: ignore[no-untyped-def]
    """Write the slopes of `region_sums`, given those of its first two by the loss."""
    for j in range(slopes.size):
        slopes[j] = mask[j] * (common * label[j] + area)


@compiled(fastmath=FAST, error_model="numpy")
def add_focal_slopes(  # type: ignore[no-untyped-def]
    values, label, mask, low, high, alpha, gamma, powers, factor, slopes
):
    """Add the slopes of `focal_sum`, times a factor; beyond the clip there are none."""
    for j in range(values.size):
        p, y = _clipped(values[j], low, high), label[j]
        rest = _ONE - p
        wrong = y * rest + (_ONE - y) * p
        weight = alpha * y + (_ONE - alpha) * (_ONE - y)
        entropy = y * log32(p) + (_ONE - y) * log32(rest)
        slope = gamma * (_TWO * y - _ONE) * entropy + wrong * (p - y) / (p * rest)
        slope = factor * mask[j] * weight * powers[j] * slope
        slopes[j] += slope if p == values[j] else _ZERO


@compiled(fastmath=FAST, error_model="numpy")
def distance_slopes(values, wanted, border, factor, slopes):  # type: ignore[no-untyped-def]
    """Write the slopes of the first of `distance_sums`, times a factor."""
    for j in range(values.size):
        difference = values[j] - wanted[j]
        sign = _ONE if difference > _ZERO else _ZERO
        sign = -_ONE if difference < _ZERO else sign
        slopes[j] = factor * sign * border[j]


@compiled(fastmath=FAST, error_model="numpy")
def entropy_slopes(values, label, mask, background, least, factor, slopes):  # type: ignore[no-untyped-def]
    """Write the slopes of text and of the background whose loss is at least so much."""
    for j in range(values.size):
        p, y = values[j], label[j]
        taken = _ONE - y if background[j] >= least else _ZERO
        spread = p * (_ONE - p)
        spread = _LEAST_PRODUCT if spread < _LEAST_PRODUCT else spread
        slopes[j] = factor * (y + taken) * mask[j] * (p - y) / spread
