"""The smoothed cross-entropy in one pass agrees with paddle's operations in float64."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from training.kernels import set_fast_path, smoothed_cross_entropy
from training.kernels.gate import LEAST_IMAGES

CLASSES = 3001


pytestmark = pytest.mark.usefixtures("kernels")


def results(dtype: str, images: int, is_fast: bool) -> list[np.ndarray]:
    """Return losses and gradient; those of the second image want none."""
    set_fast_path(is_fast)
    rng = np.random.default_rng(0)
    values = 4 * rng.standard_normal((images, 5, CLASSES)) + 20
    logits = paddle.to_tensor(values.astype("float32").astype(dtype), stop_gradient=False)
    targets = paddle.to_tensor(rng.integers(0, CLASSES, (images, 5)))
    losses = smoothed_cross_entropy(logits, targets, 0.1)
    factors = rng.standard_normal((images, 5)).astype("float32")
    factors[1] = 0.0
    losses.backward(paddle.to_tensor(factors.astype(dtype)))
    return [losses.numpy(), logits.grad.numpy()]


def test_agrees_with_float64_and_repeats_its_bits() -> None:
    fast = results("float32", LEAST_IMAGES, is_fast=True)
    exact = results("float64", LEAST_IMAGES, is_fast=False)
    for got, wanted in zip(fast, exact, strict=True):
        assert np.abs(got - wanted).max() <= 2e-6 * np.abs(wanted).max()
    assert not fast[1][1].any()
    again = results("float32", LEAST_IMAGES, is_fast=True)
    assert all(np.array_equal(*pair) for pair in zip(fast, again, strict=True))


def test_few_images_are_paddle_s_to_the_bit() -> None:
    fast, slow = (results("float32", LEAST_IMAGES - 1, is_fast) for is_fast in (True, False))
    assert all(np.array_equal(*pair) for pair in zip(fast, slow, strict=True))


def test_not_a_number_is_not_lost() -> None:
    logits = paddle.randn([LEAST_IMAGES, 2, CLASSES])
    logits[3, 1, 7] = float("nan")
    logits.stop_gradient = False
    targets = paddle.zeros([LEAST_IMAGES, 2], "int64")
    assert np.isnan(smoothed_cross_entropy(logits, targets, 0.1).numpy()[3, 1])
