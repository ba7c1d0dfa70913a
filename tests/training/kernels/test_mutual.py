"""The mutual-learning kernel agrees with paddle's own operations, forward and backward."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.kernels import fast_path, softmax_mutual_loss


def pair_of_logits(shape: list[int], scale: float) -> list[paddle.Tensor]:
    paddle.seed(3)
    logits = [paddle.randn(shape) * scale for _ in range(2)]
    for tensor in logits:
        tensor.stop_gradient = False
    return logits


def results(logits: list[paddle.Tensor], fast: bool) -> list[np.ndarray]:
    """The loss and both gradients, with another factor behind the loss."""
    with fast_path(fast):
        loss = softmax_mutual_loss(*logits)
        gradients = paddle.grad(loss * 0.7, logits)
    return [loss.numpy(), *(gradient.numpy() for gradient in gradients)]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    batch=st.integers(1, 4),
    steps=st.integers(1, 6),
    classes=st.sampled_from([2, 7, 64, 97, 131]),
    scale=st.sampled_from([0.3, 3.0, 20.0]),
)
def test_agrees_with_paddle(batch: int, steps: int, classes: int, scale: float) -> None:
    logits = pair_of_logits([batch, steps, classes], scale)
    for ours, theirs in zip(results(logits, True), results(logits, False), strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_equal_outputs_have_no_loss_and_no_gradient() -> None:
    (first, _) = pair_of_logits([2, 5, 97], 3.0)
    second = first.clone().detach()
    loss = softmax_mutual_loss(first, second)
    loss.backward()
    assert abs(float(loss)) < 1e-5
    assert np.abs(first.grad.numpy()).max() < 1e-6


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_detached_side_gets_no_gradient(frozen: int) -> None:
    logits = pair_of_logits([2, 5, 9], 3.0)
    logits[frozen].stop_gradient = True
    softmax_mutual_loss(*logits).backward()
    assert logits[frozen].grad is None
    assert np.abs(logits[1 - frozen].grad.numpy()).max() > 0


def test_the_same_inputs_give_the_same_bits() -> None:
    logits = pair_of_logits([3, 7, 97], 3.0)
    first = results(logits, True)
    for _ in range(4):
        assert all(map(np.array_equal, first, results(logits, True)))


def test_nan_is_passed_on() -> None:
    first, second = (tensor.detach() for tensor in pair_of_logits([1, 2, 70], 1.0))
    second[0, 1, 68] = float("nan")
    assert np.isnan(float(softmax_mutual_loss(first, second)))
