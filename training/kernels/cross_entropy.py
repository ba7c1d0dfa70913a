"""Smoothed cross-entropy from logits for paddle on a CPU, without a stored softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves_batch


def smoothed_cross_entropy(
    logits: paddle.Tensor, targets: paddle.Tensor, smoothing: float
) -> paddle.Tensor:
    """Cross-entropy of each time step, with a share of the target given to all other classes.

    Args:
        logits: float [N, T, K].
        targets: class indices int64 [N, T].
        smoothing: the share, 0 .. 1, that the other K - 1 classes divide.

    Returns:
        float [N, T]; gradients reach logits.

    Source: Szegedy et al. 2016 (arXiv:1512.00567).
    """
    of_others = smoothing / (logits.shape[-1] - 1)
    of_target = 1.0 - smoothing - of_others
    if not logits.stop_gradient and serves_batch(logits):
        array = np.ascontiguousarray(targets.numpy(), dtype=np.int64).reshape(-1)
        if array.min() >= 0 and array.max() < logits.shape[-1]:
            return _CrossEntropy.apply(logits, array, of_target, of_others)
    target_logits = paddle.take_along_axis(logits, targets.unsqueeze(-1), -1, broadcast=False)
    # The log-softmax is never stored: its weighted sum needs three numbers of each row alone.
    return (
        paddle.logsumexp(logits, axis=-1)
        - of_target * target_logits.squeeze(-1)
        - of_others * logits.sum(axis=-1)
    )


class _CrossEntropy(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: paddle.Tensor,
        targets: npt.NDArray[np.int64],
        of_target: float,
        of_others: float,
    ) -> paddle.Tensor:
        from training.kernels.loops import cross_entropy as loops  # numba, only once it is needed

        losses = paddle.empty(logits.shape[:-1], dtype="float32")
        row_sums = np.empty(len(targets), np.float32)
        rows = _rows(logits), targets, of_target, of_others
        loops.forward(*rows, array_from_tensor(losses).reshape(-1), row_sums)
        ctx.save_for_backward(logits)
        ctx.known = targets, of_target, of_others, row_sums
        return losses

    @staticmethod
    def backward(ctx: Any, dlosses: paddle.Tensor) -> paddle.Tensor:
        from training.kernels.loops import cross_entropy as loops

        (logits,) = ctx.saved_tensor()
        dlogits = paddle.empty(logits.shape, dtype="float32")
        factors = array_from_tensor(dlosses).reshape(-1)
        loops.backward(_rows(logits), *ctx.known, factors, _rows(dlogits))
        return dlogits


def _rows(tensor: paddle.Tensor) -> FloatArray:
    array = array_from_tensor(tensor)
    return array.reshape(-1, array.shape[-1])
