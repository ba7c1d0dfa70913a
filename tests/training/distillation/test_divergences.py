"""Each divergence against an independent computation in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from numpy.typing import NDArray

from training.distillation.divergences import DistanceLoss, DMLLoss, KLDivLoss

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
