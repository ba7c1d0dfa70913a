"""Compiled loops of the CTC loss and its gradient, straight from logits.

Only the logits of the label's own symbols enter the recursion, so the softmax over all classes
is never stored: its row sums are found once, and the gradient computes it again as it writes.

Source: Graves et al. 2006, equations 6 to 16, in the logarithm, float64.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import FAST, compiled
from training.kernels.loops.softmax import exp32, log_sum_exp

_NEVER = -np.inf

# Probabilities below float32's least normal number count as that number, as in warp-ctc, which
# paddle uses: a network that is sure and wrong would else have other losses than PaddleOCR's.
_LEAST_SCORE = np.log(np.float64(np.finfo(np.float32).tiny))


@compiled(error_model="numpy")
def _log_add(a, b):  # type: ignore[no-untyped-def]
    if a == _NEVER:
        return b
    if b == _NEVER:
        return a
    return max(a, b) + np.log1p(np.exp(-abs(a - b)))


@compiled(error_model="numpy")
def _states(label, length, blank):  # type: ignore[no-untyped-def]
    """The label with a blank before, between and after its symbols, and its repeats."""
    states = np.full(2 * length + 1, blank, np.int64)
    repeats = 0
    for position in range(length):
        states[2 * position + 1] = label[position]
        if position and label[position] == label[position - 1]:
            repeats += 1
    return states, repeats


@compiled(error_model="numpy")
def _skips(states, s, blank):  # type: ignore[no-untyped-def]
    """Whether a path may enter state s from two states before, passing over a blank."""
    return s >= 2 and states[s] != blank and states[s] != states[s - 2]


@compiled(error_model="numpy")
def _forward_variables(scores, states, blank):  # type: ignore[no-untyped-def]
    steps, count = scores.shape
    alpha = np.full((steps, count), _NEVER)
    alpha[0, 0] = scores[0, 0]
    if count > 1:
        alpha[0, 1] = scores[0, 1]
    for t in range(1, steps):
        # States outside this band cannot start at the first or end at the last step.
        for s in range(max(0, count - 2 * (steps - t)), min(count, 2 * t + 2)):
            total = alpha[t - 1, s]
            if s >= 1:
                total = _log_add(total, alpha[t - 1, s - 1])
            if _skips(states, s, blank):
                total = _log_add(total, alpha[t - 1, s - 2])
            alpha[t, s] = total + scores[t, s]
    return alpha


@compiled(error_model="numpy")
def _backward_variables(scores, states, blank):  # type: ignore[no-untyped-def]
    """As `_forward_variables` from the end; a step's own score is not in it."""
    steps, count = scores.shape
    beta = np.full((steps, count), _NEVER)
    beta[steps - 1, count - 1] = 0.0
    if count > 1:
        beta[steps - 1, count - 2] = 0.0
    for t in range(steps - 2, -1, -1):
        for s in range(max(0, count - 2 * (steps - t)), min(count, 2 * t + 2)):
            total = beta[t + 1, s] + scores[t + 1, s]
            if s + 1 < count:
                total = _log_add(total, beta[t + 1, s + 1] + scores[t + 1, s + 1])
            if s + 2 < count and _skips(states, s + 2, blank):
                total = _log_add(total, beta[t + 1, s + 2] + scores[t + 1, s + 2])
            beta[t, s] = total
    return beta


@compiled(error_model="numpy")
def _one_sample(logits, row_sums, label, length, blank, posteriors):  # type: ignore[no-untyped-def]
    """Loss of one sample; posteriors, if of any size, gets each state's share of the paths."""
    steps = logits.shape[0]
    states, repeats = _states(label, length, blank)
    if length + repeats > steps:
        return 0.0  # no path spells the label; warp-ctc, which paddle uses, says 0 here
    scores = np.empty((steps, states.size))
    for t in range(steps):
        for s in range(states.size):
            score = np.float64(logits[t, states[s]]) - np.float64(row_sums[t])
            scores[t, s] = max(score, _LEAST_SCORE)
    alpha = _forward_variables(scores, states, blank)
    total = alpha[steps - 1, states.size - 1]
    if states.size > 1:
        total = _log_add(total, alpha[steps - 1, states.size - 2])
    if posteriors.size:
        beta = _backward_variables(scores, states, blank)
        for t in range(steps):
            for s in range(states.size):
                posteriors[t, s] = np.exp(alpha[t, s] + beta[t, s] - total)
    return -total


@compiled(parallel=True, error_model="numpy")
def forward(  # type: ignore[no-untyped-def]
    logits, labels, lengths, blank, losses, row_sums, posteriors
):
    """Write the loss of every sample and what its gradient needs.

    Args:
        logits: [N, T, K] float32.
        labels: [N, L] int, class indices, padded beyond each length.
        lengths: [N] int.
        blank: class index of the blank.
        losses: [N] float32, overwritten.
        row_sums: [N, T] float32, overwritten with the log-sum-exp of every row.
        posteriors: [N, T, 2 L + 1] float32 of zeros, written; [N, 0, 2 L + 1] if not wanted.
    """
    batch, steps = logits.shape[0], logits.shape[1]
    for row in prange(batch * steps):
        row_sums[row // steps, row % steps] = log_sum_exp(logits[row // steps, row % steps])
    for n in prange(batch):
        losses[n] = _one_sample(logits[n], row_sums[n], labels[n], lengths[n], blank, posteriors[n])


@compiled(fastmath=FAST, error_model="numpy")
def _scaled_softmax(row, target, row_sum, factor):  # type: ignore[no-untyped-def]
    for j in range(row.size):
        target[j] = factor * exp32(row[j] - row_sum)


@compiled(parallel=True, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    logits, labels, lengths, blank, row_sums, posteriors, dlosses, dlogits
):
    """Write the gradient of the losses: softmax less the posterior of each class.

    Args:
        logits: [N, T, K] float32.
        labels: [N, L] int, as in `forward`.
        lengths: [N] int.
        blank: class index of the blank.
        row_sums: [N, T] float32 from `forward`.
        posteriors: [N, T, 2 L + 1] float32 from `forward`.
        dlosses: [N] float32, gradient of each loss.
        dlogits: [N, T, K] float32, overwritten.
    """
    batch, steps = logits.shape[0], logits.shape[1]
    for row in prange(batch * steps):
        n, t = row // steps, row % steps
        states, repeats = _states(labels[n], lengths[n], blank)
        target = dlogits[n, t]
        if lengths[n] + repeats > steps:
            target[:] = np.float32(0.0)
        else:
            _scaled_softmax(logits[n, t], target, row_sums[n, t], dlosses[n])
            for s in range(states.size):
                target[states[s]] -= dlosses[n] * posteriors[n, t, s]
