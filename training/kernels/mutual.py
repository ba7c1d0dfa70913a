"""Deep mutual learning's loss between two heads' logits for paddle on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves

_E = 1e-10


def softmax_mutual_loss(first: paddle.Tensor, second: paddle.Tensor) -> paddle.Tensor:
    """Half the sum of both Kullback-Leibler divergences of two softmaxes, divided by N.

    Args:
        first: [N, T, K] float logits.
        second: [N, T, K] float logits.

    Returns:
        Scalar; gradients reach both inputs where they are wanted.

    Source: Zhang et al. 2018 (arXiv:1706.00384); PaddleOCR's `DMLLoss` with act "softmax" and
        use_log, whose 1e-10 stand where they stand there.
    """
    same = list(first.shape) == list(second.shape) and 0 not in first.shape
    if not (serves(first, second) and same):
        p, q = F.softmax(first, axis=-1) + _E, F.softmax(second, axis=-1) + _E
        forward = (q * (paddle.log(q + _E) - paddle.log(p))).sum() / first.shape[0]
        backward = (p * (paddle.log(p + _E) - paddle.log(q))).sum() / first.shape[0]
        return (forward + backward) / 2.0
    return _Mutual.apply(first, second, not first.stop_gradient, not second.stop_gradient)


class _Mutual(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(
        ctx: Any,
        first: paddle.Tensor,
        second: paddle.Tensor,
        wants_first: bool,
        wants_second: bool,
    ) -> paddle.Tensor:
        from training.kernels.loops import mutual as loops  # numba, only once it is needed

        first_rows, second_rows = _rows(first), _rows(second)
        sums = np.empty((2, len(first_rows)), np.float32)
        losses = np.empty(len(first_rows), np.float64)
        loops.forward(first_rows, second_rows, sums[0], sums[1], losses)
        ctx.save_for_backward(first, second)
        ctx.wanted = wants_first, wants_second
        ctx.sums = sums
        return paddle.to_tensor(losses.sum() / (2 * first.shape[0]), dtype="float32")

    @staticmethod
    def backward(
        ctx: Any, dloss: paddle.Tensor
    ) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        first, second = ctx.saved_tensor()
        factor = np.float32(float(dloss) / (2 * first.shape[0]))
        wants_first, wants_second = ctx.wanted
        dfirst = _gradient(first, second, ctx.sums, factor) if wants_first else None
        dsecond = _gradient(second, first, ctx.sums[::-1], factor) if wants_second else None
        return dfirst, dsecond


def _gradient(
    own: paddle.Tensor, other: paddle.Tensor, sums: FloatArray, factor: np.float32
) -> paddle.Tensor:
    from training.kernels.loops import mutual as loops

    dlogits = paddle.empty(own.shape, dtype="float32")
    loops.backward(_rows(own), _rows(other), sums[0], sums[1], factor, _rows(dlogits))
    return dlogits


def _rows(tensor: paddle.Tensor) -> FloatArray:
    """View [N, T, K] as [N * T, K]."""
    array = array_from_tensor(tensor)
    return array.reshape(-1, array.shape[-1])
