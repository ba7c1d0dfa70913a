"""Compiled loops of deep mutual learning's loss: softmax, logarithm and both divergences at once.

With P = softmax(first) + e, Q = softmax(second) + e and e = 1e-10, a row's loss is the sum over
the classes of Q (log(Q + e) - log P) + P (log(P + e) - log Q), each e where PaddleOCR has it.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.softmax import exp32, log32, log_sum_exp

_E = np.float32(1e-10)


@compiled(fastmath=FAST, error_model="numpy")
def _row_loss(first, second, first_sum, second_sum):  # type: ignore[no-untyped-def]
    total = np.float32(0.0)
    for j in range(first.size):
        p = exp32(first[j] - first_sum) + _E
        q = exp32(second[j] - second_sum) + _E
        total += q * (log32(q + _E) - log32(p)) + p * (log32(p + _E) - log32(q))
    return total


@compiled(fastmath=FAST, error_model="numpy")
def _row_slopes(own, other, own_sum, other_sum, softmax, slope):  # type: ignore[no-untyped-def]
    """Write softmax(own) and the loss's derivative by P; return the sum of their products."""
    total = np.float32(0.0)
    for j in range(own.size):
        share = exp32(own[j] - own_sum)
        p = share + _E
        q = exp32(other[j] - other_sum) + _E
        d = log32(p + _E) - log32(q) + p / (p + _E) - q / p
        softmax[j] = share
        slope[j] = d
        total += share * d
    return total


@compiled(fastmath=FAST, error_model="numpy")
def _row_gradient(softmax, slope, mean, factor, target):  # type: ignore[no-untyped-def]
    for j in range(target.size):
        target[j] = factor * softmax[j] * (slope[j] - mean)


@compiled(parallel=True, error_model="numpy")
def forward(first, second, first_sums, second_sums, losses):  # type: ignore[no-untyped-def]
    """Write the loss of every row.

    Args:
        first: [R, K] float32 logits.
        second: [R, K] float32 logits.
        first_sums: [R] float32, overwritten with the log-sum-exp of each row of first.
        second_sums: the same for second.
        losses: [R] float64, overwritten.
    """
    for row in prange(first.shape[0]):
        first_sums[row] = log_sum_exp(first[row])
        second_sums[row] = log_sum_exp(second[row])
        losses[row] = _row_loss(first[row], second[row], first_sums[row], second_sums[row])


@compiled(parallel=True, error_model="numpy")
def backward(own, other, own_sums, other_sums, factor, dlogits):  # type: ignore[no-untyped-def]
    """Write the gradient of the summed losses by own's logits; the loss is symmetric in the two.

    Args:
        own: [R, K] float32 logits.
        other: [R, K] float32 logits.
        own_sums: [R] float32 from `forward`.
        other_sums: [R] float32 from `forward`.
        factor: float32 that multiplies the gradient.
        dlogits: [R, K] float32, overwritten.
    """
    rows, classes = own.shape
    parts = min(rows, 64)
    for part in prange(parts):
        softmax = np.empty(classes, np.float32)
        slope = np.empty(classes, np.float32)
        for row in range(part * rows // parts, (part + 1) * rows // parts):
            mean = _row_slopes(own[row], other[row], own_sums[row], other_sums[row], softmax, slope)
            _row_gradient(softmax, slope, mean, factor, dlogits[row])
