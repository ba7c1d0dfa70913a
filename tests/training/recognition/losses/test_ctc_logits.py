"""The divergence of time-averaged CTC outputs against a plain formula, with both forms of blank."""

from __future__ import annotations

import logging

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from training.recognition.losses.ctc_logits import CTCLogitsLoss, ctc_logits_divergence


def logits(seed: int, *shape: int) -> paddle.Tensor:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 3
    return paddle.to_tensor(values, stop_gradient=False)


def plain(student: paddle.Tensor, teacher: paddle.Tensor, mask_blank: bool) -> paddle.Tensor:
    if mask_blank:
        student, teacher = student[:, :, 1:], teacher[:, :, 1:]
    else:
        signs = paddle.ones_like(student)
        signs[:, :, 0] = -1
        student, teacher = student * signs, teacher * signs
    p, q = (F.softmax(x / 0.5, axis=-1).mean(axis=1) for x in (student, teacher))
    return (q * paddle.log((q + 1e-6) / (p + 1e-6) + 1e-6)).sum() / q.shape[0]


@pytest.mark.parametrize("mask_blank", [False, True])
def test_value_and_both_gradients(mask_blank: bool) -> None:
    pairs = [[logits(seed, 3, 5, 6) for seed in (1, 2)] for _ in range(2)]
    result = ctc_logits_divergence(*pairs[0], mask_blank)
    formula = plain(*pairs[1], mask_blank)
    assert float(result) == pytest.approx(float(formula), rel=1e-6)
    result.backward()
    formula.backward()
    for ours, wanted in zip(*pairs, strict=True):
        assert np.allclose(ours.grad.numpy(), wanted.grad.numpy(), atol=1e-7)


def test_equal_shares_at_other_time_steps_agree() -> None:
    student = logits(3, 2, 5, 6)
    late = student[:, [4, 0, 2, 3, 1]]
    assert float(ctc_logits_divergence(student, late)) == pytest.approx(0, abs=1e-5)


def test_a_masked_blank_does_not_count() -> None:
    student, teacher = logits(4, 2, 5, 6), logits(5, 2, 5, 6)
    changed = teacher.clone()
    changed[:, :, 0] = 7.0
    masked = [float(ctc_logits_divergence(student, x, True)) for x in (teacher, changed)]
    signed = [float(ctc_logits_divergence(student, x)) for x in (teacher, changed)]
    assert masked[0] == masked[1] and signed[0] != signed[1]


def test_the_teacher_learns_unless_it_is_detached(caplog: pytest.LogCaptureFixture) -> None:
    student, teacher = logits(6, 1, 4, 5), logits(7, 1, 4, 5)
    with caplog.at_level(logging.WARNING):
        CTCLogitsLoss(mask_blank=True, detach_teacher=True)(student, teacher).backward()
        assert teacher.grad is None and student.grad is not None and not caplog.text
        loss = CTCLogitsLoss()
        assert "the blank's logit changes its sign" in caplog.text
        for _ in range(2):
            loss(student, teacher).backward()
    assert teacher.grad is not None
    assert caplog.text.count("detach_teacher: true leaves it alone") == 1


def test_a_frozen_teacher_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        CTCLogitsLoss(mask_blank=True)(logits(8, 1, 4, 5), logits(9, 1, 4, 5).detach())
    assert not caplog.text
