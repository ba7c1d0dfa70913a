"""Compiled loops of the smoothed cross-entropy and its gradient, without a stored softmax."""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.softmax import exp32, log_sum_exp
from training.kernels.loops.sums import total_of

# A row's plain sum is added in blocks of so many values, whose sums are added in float64.
_BLOCK = 1024


@compiled(error_model="numpy")
def _sum(row):  # type: ignore[no-untyped-def]
    total = 0.0
    for start in range(0, row.size, _BLOCK):
        total += total_of(row[start : min(row.size, start + _BLOCK)])
    return total


@compiled(parallel=True, error_model="numpy")
def forward(logits, targets, of_target, of_others, losses, row_sums):  # type: ignore[no-untyped-def]
    """Write the loss of every row.

    Args:
        logits: [R, K] float32.
        targets: [R] int64, 0 <= target < K.
        of_target: weight of the target's logit beside `of_others`.
        of_others: weight of every logit.
        losses: [R] float32, overwritten.
        row_sums: [R] float32, overwritten with the log-sum-exp of every row.
    """
    for row in prange(logits.shape[0]):
        total = log_sum_exp(logits[row])
        row_sums[row] = total
        weighted = of_target * logits[row, targets[row]] + of_others * _sum(logits[row])
        losses[row] = total - weighted


@compiled(fastmath=FAST, error_model="numpy")
def _scaled_gradient(row, target, row_sum, factor, offset):  # type: ignore[no-untyped-def]
    for j in range(row.size):
        target[j] = factor * exp32(row[j] - row_sum) - offset


@compiled(parallel=True, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    logits, targets, of_target, of_others, row_sums, dlosses, dlogits
):
    """Write the gradient of the losses; rows whose loss has none are 0.

    Args:
        logits, targets, of_target, of_others, row_sums: as in `forward`.
        dlosses: [R] float32, gradient of each loss.
        dlogits: as logits, overwritten.
    """
    for row in prange(logits.shape[0]):
        factor = dlosses[row]
        if factor == np.float32(0.0):
            dlogits[row] = np.float32(0.0)
            continue
        offset = np.float32(factor * of_others)
        _scaled_gradient(logits[row], dlogits[row], row_sums[row], factor, offset)
        dlogits[row, targets[row]] -= np.float32(factor * of_target)
