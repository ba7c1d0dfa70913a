"""Divergences of two networks' outputs: each formula once, from two tensors to a scalar."""

from __future__ import annotations

from typing import Any, Literal

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.kernels import softmax_mutual_loss


def logits_of(prediction: Any) -> paddle.Tensor:
    """Return the logits of a head that may return (features, logits)."""
    return prediction[-1] if isinstance(prediction, list | tuple) else prediction


def _kl_divergence(log_prediction: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
    """Sum target * (log target - log prediction) over everything and divide by N."""
    divergence = target * (paddle.log(target + 1e-10) - log_prediction)
    return divergence.sum() / divergence.shape[0]


class DMLLoss(nn.Layer):
    """Deep mutual learning: the symmetric Kullback-Leibler divergence of two outputs.

    Args:
        act: activation applied first, 1e-10 added; None when the outputs are distributions.
        use_log: half the sum of both directions, summed over T and K and divided by N, as
            recognition uses it; else the symmetric form averaged over everything.

    Source: Zhang et al. 2018 (arXiv:1706.00384); PaddleOCR `basic_loss.DMLLoss`.
    """

    def __init__(
        self, act: Literal["softmax", "sigmoid"] | None = None, use_log: bool = False
    ) -> None:
        super().__init__()
        activations = {"softmax": F.softmax, "sigmoid": F.sigmoid}
        self.activation = activations[act] if act is not None else None
        self.use_log = use_log

    def forward(self, first: paddle.Tensor, second: paddle.Tensor) -> paddle.Tensor:
        """Compare two float32 [N, T, K]; return a scalar."""
        if self.use_log and self.activation is F.softmax:
            return softmax_mutual_loss(first, second)
        if self.activation is not None:
            first = self.activation(first) + 1e-10
            second = self.activation(second) + 1e-10
        if self.use_log:
            both = _kl_divergence(paddle.log(first), second)
            return (both + _kl_divergence(paddle.log(second), first)) / 2.0
        eps = 1e-5
        forward = second * paddle.log((second + eps) / (first + eps) + eps)
        backward = first * paddle.log((first + eps) / (second + eps) + eps)
        return 0.5 * (forward + backward).mean()


class DistanceLoss(nn.Layer):
    """Mean L1, L2 or smooth L1 distance of two tensors."""

    def __init__(self, mode: Literal["l1", "l2", "smooth_l1"] = "l2") -> None:
        super().__init__()
        distances = {"l1": F.l1_loss, "l2": F.mse_loss, "smooth_l1": F.smooth_l1_loss}
        self.distance = distances[mode]

    def forward(self, first: paddle.Tensor, second: paddle.Tensor) -> paddle.Tensor:
        """Compare two tensors of one shape; return a scalar."""
        return self.distance(first, second)


class KLDivLoss(nn.Layer):
    """Kullback-Leibler divergence of a student's softmax from a teacher's, divided by N.

    The teacher's side is a target: no gradient flows into it.
    """

    def forward(self, student: paddle.Tensor, teacher: paddle.Tensor) -> paddle.Tensor:
        """Compare two logits float32 [N, T, K]; return a scalar."""
        target = F.softmax(teacher.detach(), axis=-1)
        return _kl_divergence(F.log_softmax(student, axis=-1), target)
