"""Divergence of two CTC heads that may place characters at different time steps."""

from __future__ import annotations

import logging

import paddle

from training.distillation.divergences import TeacherLoss, mean_softmax_divergence

log = logging.getLogger(__name__)

_TEMPERATURE = 0.5


def ctc_logits_divergence(
    student: paddle.Tensor, teacher: paddle.Tensor, mask_blank: bool = False
) -> paddle.Tensor:
    """Divergence of a student's softmax, averaged over time, from a teacher's.

    Args:
        student: logits float32 [N, T, K], class 0 the blank.
        teacher: logits of the same shape.
        mask_blank: leave the blank out; else its logit changes its sign, as in PaddleOCR.

    Returns:
        A scalar: the sum over the classes divided by N.

    Source: PaddleOCR `distillation_loss.KLCTCLogits`, mode `mean`.
    """
    if mask_blank:
        student, teacher = student[:, :, 1:], teacher[:, :, 1:]
    factors = paddle.full([student.shape[-1]], 1.0 / _TEMPERATURE)
    if not mask_blank:
        factors[0] = -1.0 / _TEMPERATURE
    return mean_softmax_divergence(student * factors, teacher * factors)


class CTCLogitsLoss(TeacherLoss):
    """`ctc_logits_divergence` as a layer.

    Args:
        mask_blank: as there.
        detach_teacher: let no gradient flow into the teacher; PaddleOCR does.
    """

    def __init__(self, mask_blank: bool = False, detach_teacher: bool = False) -> None:
        super().__init__(detach_teacher)
        self.mask_blank = mask_blank
        if not mask_blank:
            log.warning(
                "DistillCTCLogits: the blank's logit changes its sign, as in PaddleOCR, where it "
                "was to be left out; mask_blank: true leaves it out"
            )

    def forward(self, student: paddle.Tensor, teacher: paddle.Tensor) -> paddle.Tensor:
        """Compare two logits float32 [N, T, K]; return a scalar."""
        return ctc_logits_divergence(student, self.target(teacher), self.mask_blank)
