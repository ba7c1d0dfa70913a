"""Losses of one map, by hand."""

from __future__ import annotations

import math

import numpy as np
import paddle
import pytest

from training.detection.losses.maps import (
    BalancedLoss,
    DiceFocalLoss,
    dice_loss,
    focal_loss,
    masked_l1_loss,
)


def tensors(*rows: list[float]) -> list[paddle.Tensor]:
    """Return maps float32 [1, 1, W]."""
    return [paddle.to_tensor([[row]], dtype="float32") for row in rows]


def test_dice_and_distance() -> None:
    prediction, label, mask = tensors([0.5, 1.0, 0.25, 1.0], [1, 1, 0, 0], [1, 1, 1, 0])
    dice = float(dice_loss(prediction, label, mask))
    assert dice == pytest.approx(1 - 2 * 1.5 / 3.75, rel=1e-5)
    assert float(masked_l1_loss(prediction, label, mask)) == pytest.approx(0.75 / 3, rel=1e-6)
    nothing = paddle.zeros_like(mask)
    assert float(dice_loss(prediction, label, nothing)) == 1
    assert float(masked_l1_loss(prediction, label, nothing)) == 0


def test_focal_loss() -> None:
    prediction, label, mask = tensors([0.8, 0.8, 1.0, 0.3], [1, 0, 0, 1], [1, 1, 1, 0])
    wanted = -0.25 * 0.2**2.5 * math.log(0.8) - 0.75 * 0.8**2.5 * math.log(0.2)
    wanted += -0.75 * (1 - 1e-6) ** 2.5 * math.log(1e-6)
    got = float(focal_loss(prediction, label, mask, alpha=0.25, gamma=2.5))
    assert got == pytest.approx(wanted / 3, rel=1e-2)  # 1 - 1e-6 in float32
    both = DiceFocalLoss(0.5, 2.0, 0.25, 2.5, 1e-6)(prediction, label, mask)
    dice = float(dice_loss(prediction, label, mask))
    assert float(both) == pytest.approx(0.5 * dice + 2 * got, rel=1e-6)


def as_paddleocr_balances(
    losses: np.ndarray, label: np.ndarray, mask: np.ndarray, ratio: float
) -> float:
    """Sort the losses of all background pixels, as `BalanceLoss` does."""
    positive, negative = label * mask, (1 - label) * mask
    num_text = int(positive.sum())
    num_hard = int(min(negative.sum(), num_text * ratio))
    hardest = np.sort((negative * losses).ravel())[::-1][:num_hard]
    return float(((positive * losses).sum() + hardest.sum()) / (num_text + num_hard + 1e-6))


@pytest.mark.parametrize("ratio", [0.4, 1, 3])
@pytest.mark.parametrize("num_text", [0, 1, 5, 40])
def test_balance_of_text_and_background(ratio: float, num_text: int) -> None:
    rng = np.random.RandomState(num_text)
    prediction = rng.uniform(0.01, 0.99, (2, 6, 8)).astype(np.float32)
    label = np.zeros(96, np.float32)
    label[rng.permutation(96)[:num_text]] = 1
    label = label.reshape(2, 6, 8)
    mask = (rng.uniform(size=(2, 6, 8)) < 0.8).astype(np.float32)
    arguments = [paddle.to_tensor(array) for array in (prediction, label, mask)]
    dice = float(dice_loss(*arguments))
    got = float(BalancedLoss("DiceLoss", ratio)(*arguments))
    of_each = np.full(label.shape, dice)
    assert got == pytest.approx(as_paddleocr_balances(of_each, label, mask, ratio), rel=1e-5)
    entropy = -np.where(label == 1, np.log(prediction), np.log(1 - prediction))
    got = float(BalancedLoss("BCELoss", ratio)(*arguments))
    assert got == pytest.approx(as_paddleocr_balances(entropy, label, mask, ratio), rel=1e-5)


def test_a_batch_without_text_teaches_nothing_by_dice_alone() -> None:
    prediction, label, mask = tensors([0.5, 0.25], [0, 0], [1, 1])
    prediction.stop_gradient = False
    loss = BalancedLoss("DiceLoss", 3)(prediction, label, mask)
    loss.backward()
    assert float(loss) == 0 and not prediction.grad.numpy().any()
