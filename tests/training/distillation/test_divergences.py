"""Each divergence against an independent computation in numpy or plain paddle."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import paddle
import pytest
from numpy.typing import NDArray
from paddle.nn import functional as F

from training.distillation.divergences import (
    DistanceLoss,
    DKDLoss,
    DMLLoss,
    KLDivLoss,
    decoupled_divergence,
    kl_divergence,
    mean_softmax_divergence,
)

Array = NDArray[np.float64]


def softmax(x: Array) -> Array:
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def logits(seed: int, *shape: int) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(shape) * 2).astype(np.float32)


def test_dml_with_logarithm_sums_over_steps_and_classes() -> None:
    first, second = logits(5, 3, 4, 5), logits(6, 3, 4, 5)
    p, q = (softmax(x.astype(np.float64)) + 1e-10 for x in (first, second))
    wanted = ((p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()) / 2 / 3
    tensors = paddle.to_tensor(first), paddle.to_tensor(second)
    assert float(DMLLoss("softmax", use_log=True)(*tensors)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("act", ["softmax", "sigmoid", None])
def test_dml_without_logarithm_averages_over_everything(act: Any) -> None:
    first, second = (np.abs(logits(seed, 2, 3, 4)) for seed in (7, 8))
    shapes = {"softmax": softmax, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), None: lambda x: x}
    p, q = (shapes[act](x.astype(np.float64)) for x in (first, second))
    eps = 1e-5
    both = q * np.log((q + eps) / (p + eps) + eps) + p * np.log((p + eps) / (q + eps) + eps)
    tensors = paddle.to_tensor(first), paddle.to_tensor(second)
    assert float(DMLLoss(act, use_log=False)(*tensors)) == pytest.approx(
        0.5 * both.mean(), rel=1e-4
    )


def test_dml_of_equal_outputs_is_zero_and_of_far_ones_finite() -> None:
    x = paddle.to_tensor(logits(9, 1, 2, 3))
    assert float(DMLLoss("softmax", use_log=True)(x, x)) == pytest.approx(0, abs=1e-6)
    far = paddle.to_tensor([[[0.0, 300.0]]]), paddle.to_tensor([[[300.0, 0.0]]])
    assert float(DMLLoss("softmax", use_log=True)(*far)) == pytest.approx(-np.log(1e-10), rel=1e-3)


@pytest.mark.parametrize("mode", ["l1", "l2", "smooth_l1"])
def test_distances(mode: Any) -> None:
    first, second = logits(10, 2, 3), logits(11, 2, 3)
    difference = np.abs(first.astype(np.float64) - second)
    assert (difference < 1).any() and (difference > 1).any()
    wanted = {
        "l1": difference,
        "l2": difference**2,
        "smooth_l1": np.where(difference < 1, difference**2 / 2, difference - 0.5),
    }[mode]
    loss = DistanceLoss(mode)(paddle.to_tensor(first), paddle.to_tensor(second))
    assert float(loss) == pytest.approx(wanted.mean(), rel=1e-5)


def test_kl_divergence_teaches_the_student_alone() -> None:
    student, teacher = (
        paddle.to_tensor(logits(seed, 2, 3, 4), stop_gradient=False) for seed in (12, 13)
    )
    p, q = (softmax(x.numpy().astype(np.float64)) for x in (student, teacher))
    loss = KLDivLoss()(student, teacher)
    assert float(loss) == pytest.approx((q * np.log(q / p)).sum() / 2, rel=1e-5)
    loss.backward()
    assert np.allclose(student.grad.numpy(), (p - q) / 2, atol=1e-6)
    assert teacher.grad is None


def leaves(seed: int, *shape: int) -> list[paddle.Tensor]:
    return [paddle.to_tensor(logits(seed + add, *shape), stop_gradient=False) for add in (0, 1)]


def test_kl_divergence_at_a_mask_is_a_mean() -> None:
    student, teacher = leaves(14, 2, 3, 4)
    mask = np.array([[True, False, True], [False, False, True]])
    p, q = (softmax(x.numpy().astype(np.float64)) for x in (student, teacher))
    wanted = (q * np.log(q / p)).sum(-1)[mask].mean()
    loss = KLDivLoss()(student, teacher, paddle.to_tensor(mask))
    assert float(loss) == pytest.approx(wanted, rel=1e-5)
    loss.backward()
    assert np.allclose(student.grad.numpy(), (p - q) * mask[..., None] / 3, atol=1e-6)


def decoupled_by_one_hot(
    student: paddle.Tensor, teacher: paddle.Tensor, targets: paddle.Tensor, temperature: float
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Divergences [N, T] about the target and among the rest, the target hidden by -1000."""
    one_hot = F.one_hot(targets, student.shape[-1])
    halves, rests = [], []
    for x in (student / temperature, teacher / temperature):
        p = F.softmax(x, axis=-1)
        shares = [(p * one_hot).sum(-1), (p * (1 - one_hot)).sum(-1)]
        halves.append(paddle.stack(shares, axis=-1))
        rests.append(F.softmax(x - 1000.0 * one_hot, axis=-1))
    pairs = (halves, [rest + 1e-30 for rest in rests])
    about, among = ((q * paddle.log((q + 1e-10) / p)).sum(-1) for p, q in pairs)
    return about * temperature**2, among * temperature**2


@pytest.mark.parametrize(("temperature", "alpha", "beta"), [(1.0, 1.0, 2.0), (2.0, 0.7, 3.0)])
@pytest.mark.parametrize("mask", [None, [[True, True, False], [True, False, False]]])
def test_decoupled_divergence(temperature: float, alpha: float, beta: float, mask: Any) -> None:
    targets = paddle.to_tensor([[1, 4, 0], [2, 0, 0]])
    given, plain = leaves(16, 2, 3, 6), leaves(16, 2, 3, 6)
    chosen = None if mask is None else paddle.to_tensor(mask)
    loss = decoupled_divergence(*given, targets, temperature, alpha, beta, chosen)
    about, among = decoupled_by_one_hot(*plain, targets, temperature)
    both = alpha * about + beta * among
    wanted = both.mean() if chosen is None else both.masked_select(chosen).mean()
    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)
    loss.backward()
    wanted.backward()
    for x, y in zip(given, plain, strict=True):
        assert np.allclose(x.grad.numpy(), y.grad.numpy(), atol=1e-6)


def test_decoupled_divergence_of_a_certain_teacher_is_finite() -> None:
    student, teacher = leaves(18, 1, 2, 5)
    with paddle.no_grad():
        student[0, 0, 1] = 300.0
        teacher[0, 0, 3] = 300.0
    loss = decoupled_divergence(student, teacher, paddle.to_tensor([[1, 2]]))
    loss.backward()
    assert np.isfinite(float(loss)) and float(loss) > 100
    assert np.isfinite(student.grad.numpy()).all()


def test_mean_softmax_divergence_ignores_the_order_of_time() -> None:
    student, teacher = leaves(20, 2, 4, 5)
    p, q = (softmax(x.numpy().astype(np.float64)).mean(1) for x in (student, teacher))
    eps = 1e-6
    wanted = (q * np.log((q + eps) / (p + eps) + eps)).sum() / 2
    assert float(mean_softmax_divergence(student, teacher)) == pytest.approx(wanted, rel=1e-4)
    turned = teacher[:, [3, 1, 0, 2]]
    assert float(mean_softmax_divergence(student, turned)) == pytest.approx(wanted, rel=1e-4)


def test_who_learns_from_a_teacher_that_is_not_frozen(caplog: pytest.LogCaptureFixture) -> None:
    targets = paddle.to_tensor([[1, 2]])
    with caplog.at_level(logging.WARNING):
        for loss, learns in (
            (KLDivLoss(), False),
            (KLDivLoss(detach_teacher=False), True),
            (DKDLoss(detach_teacher=True), False),
            (DKDLoss(), True),
        ):
            student, teacher = leaves(22, 1, 2, 4)
            for _ in range(2):
                extra = (targets,) if isinstance(loss, DKDLoss) else ()
                loss(student, teacher, *extra).backward()
            assert student.grad is not None and (teacher.grad is not None) == learns
    assert caplog.text.count("the second network of a pair is drawn to the first") == 2
    assert kl_divergence(teacher, teacher).item() == pytest.approx(0, abs=1e-6)
