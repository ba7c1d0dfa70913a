"""Divergences of two networks' outputs: each formula once, from two tensors to a scalar."""

from __future__ import annotations

import logging
from typing import Any, Literal

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.kernels import softmax_mutual_loss

log = logging.getLogger(__name__)

_FAR_BELOW = -1e9
"""A logit that leaves its class no share of a softmax."""


def logits_of(prediction: Any) -> paddle.Tensor:
    """Return the logits of a head that may return (features, logits)."""
    return prediction[-1] if isinstance(prediction, list | tuple) else prediction


def kl_divergence(
    student: paddle.Tensor, teacher: paddle.Tensor, mask: paddle.Tensor | None = None
) -> paddle.Tensor:
    """Kullback-Leibler divergence of a student's softmax from a teacher's.

    Args:
        student: logits float32 [N, T, K].
        teacher: logits of the same shape.
        mask: bool [N, T], the time steps that count.

    Returns:
        A scalar: the sum over everything divided by N, or the mean of the masked time steps.
    """
    divergences = _divergences_by_step(student, teacher)
    return divergences.sum() / student.shape[0] if mask is None else masked_mean(divergences, mask)


def decoupled_divergence(
    student: paddle.Tensor,
    teacher: paddle.Tensor,
    targets: paddle.Tensor,
    temperature: float = 1.0,
    alpha: float = 1.0,
    beta: float = 1.0,
    mask: paddle.Tensor | None = None,
) -> paddle.Tensor:
    """Divergence about the target class, and divergence among all others, weighted apart.

    Args:
        student: logits float32 [N, T, K].
        teacher: logits of the same shape.
        targets: class indices int64 [N, T].
        temperature: divides the logits; the result is multiplied by its square.
        alpha: weight of target against the rest.
        beta: weight of the distribution within the rest.
        mask: bool [N, T], the time steps that count; None for all.

    Returns:
        The mean over the time steps, a scalar.

    Source: Zhao et al. 2022 (arXiv:2203.08679); PaddleOCR `basic_loss.DKDLoss`.
    """
    student_halves, student_rest = _split_at(student / temperature, targets)
    teacher_halves, teacher_rest = _split_at(teacher / temperature, targets)
    divergences = alpha * _divergences_by_step(student_halves, teacher_halves)
    divergences = divergences + beta * _divergences_by_step(student_rest, teacher_rest)
    mean = divergences.mean() if mask is None else masked_mean(divergences, mask)
    return mean * temperature**2


def mean_softmax_divergence(student: paddle.Tensor, teacher: paddle.Tensor) -> paddle.Tensor:
    """Divergence of two softmaxes averaged over time, 1e-6 inside the logarithm, divided by N.

    Args:
        student: logits float32 [N, T, K].
        teacher: logits float32 [N, T, K].

    Returns:
        A scalar.

    Source: PaddleOCR `distillation_loss.KLCTCLogits`.
    """
    mean = F.softmax(student, axis=-1).mean(axis=1)
    target = F.softmax(teacher, axis=-1).mean(axis=1)
    eps = 1e-6
    logarithms = paddle.log((target + eps) / (mean + eps) + eps)
    return (target * logarithms).sum() / student.shape[0]


def masked_mean(values: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
    """Return the mean of the float32 values where a bool mask of their shape is true."""
    weights = mask.astype(values.dtype)
    return (values * weights).sum() / weights.sum()


def _split_at(logits: paddle.Tensor, targets: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Split [N, T, K] into logits [N, T, 2] of target and rest, and [N, T, K] without the target.

    The softmax of the first holds the probabilities of the target class and of all others.
    """
    index = targets.unsqueeze(-1)
    target = paddle.take_along_axis(logits, index, -1, broadcast=False)
    rest = paddle.put_along_axis(logits, index, _FAR_BELOW, -1, broadcast=False)
    halves = paddle.concat([target, paddle.logsumexp(rest, axis=-1, keepdim=True)], axis=-1)
    return halves, rest


def _divergences_by_step(student: paddle.Tensor, teacher: paddle.Tensor) -> paddle.Tensor:
    """Return the divergence of each time step: logits [N, T, K] to float32 [N, T]."""
    target = F.softmax(teacher, axis=-1)
    # paddle's own log-softmax on a CPU takes a hundred times as long with thousands of classes.
    log_student = student - paddle.logsumexp(student, axis=-1, keepdim=True)
    return (target * (paddle.log(target + 1e-10) - log_student)).sum(axis=-1)


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
        by_image: average the symmetric form over the axes 1 and 2 alone, as PaddleOCR does, which
            leaves a value for each image.

    Source: Zhang et al. 2018 (arXiv:1706.00384); PaddleOCR `basic_loss.DMLLoss`.
    """

    def __init__(
        self,
        act: Literal["softmax", "sigmoid"] | None = None,
        use_log: bool = False,
        by_image: bool = False,
    ) -> None:
        super().__init__()
        activations = {"softmax": F.softmax, "sigmoid": F.sigmoid}
        self.activation = activations[act] if act is not None else None
        self.use_log = use_log
        self.by_image = by_image

    def forward(self, first: paddle.Tensor, second: paddle.Tensor) -> paddle.Tensor:
        """Compare two float32 [N, T, K]; return a scalar, or [N] `by_image`."""
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
        if self.by_image:
            return (0.5 * (forward + backward)).mean(axis=[1, 2])
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


class TeacherLoss(nn.Layer):
    """Base of the divergences of a student from a teacher.

    Args:
        detach_teacher: let no gradient flow into the teacher, though it be no frozen one.
    """

    def __init__(self, detach_teacher: bool) -> None:
        super().__init__()
        self.detach_teacher = detach_teacher
        self._has_warned = False

    def target(self, teacher: paddle.Tensor) -> paddle.Tensor:
        """Return the teacher's output as the loss takes it."""
        if self.detach_teacher:
            return teacher.detach()
        if not teacher.stop_gradient and not self._has_warned:
            self._has_warned = True
            log.warning(
                "%s: the second network of a pair is drawn to the first, as in PaddleOCR; "
                "detach_teacher: true leaves it alone, and so does freeze_params",
                type(self).__name__,
            )
        return teacher


class KLDivLoss(TeacherLoss):
    """`kl_divergence` as a layer.

    Args:
        detach_teacher: let no gradient flow into the teacher; PaddleOCR does.
    """

    def __init__(self, detach_teacher: bool = True) -> None:
        super().__init__(detach_teacher)

    def forward(
        self, student: paddle.Tensor, teacher: paddle.Tensor, mask: paddle.Tensor | None = None
    ) -> paddle.Tensor:
        """Compare two logits float32 [N, T, K], perhaps at a mask [N, T]; return a scalar."""
        return kl_divergence(student, self.target(teacher), mask)


class DKDLoss(TeacherLoss):
    """`decoupled_divergence` as a layer.

    Args:
        temperature, alpha, beta: as there.
        detach_teacher: let no gradient flow into the teacher; PaddleOCR does.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        detach_teacher: bool = False,
    ) -> None:
        super().__init__(detach_teacher)
        self.factors = temperature, alpha, beta

    def forward(
        self,
        student: paddle.Tensor,
        teacher: paddle.Tensor,
        targets: paddle.Tensor,
        mask: paddle.Tensor | None = None,
    ) -> paddle.Tensor:
        """Compare two logits float32 [N, T, K] at targets int64 [N, T]; return a scalar."""
        target = self.target(teacher)
        return decoupled_divergence(student, target, targets, *self.factors, mask=mask)
