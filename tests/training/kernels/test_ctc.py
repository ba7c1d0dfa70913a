"""The CTC kernel agrees with the sum over all paths, and with paddle as far as paddle is exact."""

from __future__ import annotations

import itertools

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import DatasetError
from training.kernels import ctc_loss, fast_path


def logits_tensor(batch: int, steps: int, classes: int, seed: int = 3) -> paddle.Tensor:
    paddle.seed(seed)
    logits = paddle.randn([batch, steps, classes]) * 3
    logits.stop_gradient = False
    return logits


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)


def loss_by_enumeration(logits: np.ndarray, label: tuple[int, ...]) -> tuple[float, np.ndarray]:
    """Loss and gradient of one sample from every path, float64."""
    steps, classes = logits.shape
    shares = np.exp(logits.astype(np.float64))
    shares /= shares.sum(axis=1, keepdims=True)
    total, counts = 0.0, np.zeros_like(shares)
    for path in itertools.product(range(classes), repeat=steps):
        if collapsed(path) == label:
            weight = shares[np.arange(steps), path].prod()
            total += weight
            counts[np.arange(steps), path] += weight
    if total == 0.0:
        return 0.0, np.zeros_like(shares)
    return -np.log(total), shares - counts / total


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    steps=st.integers(1, 5),
    label=st.lists(st.integers(1, 2), max_size=4),
    seed=st.integers(0, 5),
)
def test_agrees_with_the_sum_over_all_paths(steps: int, label: list[int], seed: int) -> None:
    logits = logits_tensor(1, steps, 3, seed)
    padded = paddle.to_tensor([label + [0] * (4 - len(label))], dtype="int32")
    loss = ctc_loss(logits, padded, paddle.to_tensor([len(label)]))
    loss.sum().backward()
    expected, gradient = loss_by_enumeration(logits.numpy()[0], tuple(label))
    assert loss.numpy() == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert np.allclose(logits.grad.numpy()[0], gradient, atol=1e-5)


def test_agrees_with_paddle_on_a_real_size() -> None:
    random = np.random.default_rng(1)
    labels = paddle.to_tensor(random.integers(1, 97, (6, 25)), dtype="int32")
    lengths = paddle.to_tensor(random.integers(0, 26, 6))
    weights = paddle.to_tensor(random.random(6), dtype="float32")
    results = []
    for fast in (True, False):
        with fast_path(fast):
            logits = logits_tensor(6, 80, 97)
            losses = ctc_loss(logits, labels, lengths)
            (losses * weights).sum().backward()
        results.append((losses.numpy(), logits.grad.numpy()))
    (ours, our_gradient), (theirs, their_gradient) = results
    assert np.allclose(ours, theirs, rtol=1e-5)
    # paddle's recursion is in float32: over 80 steps its own error is some 4e-4.
    assert np.abs(our_gradient - their_gradient).max() < 1e-3 * np.abs(their_gradient).max()


def test_the_same_inputs_give_the_same_bits() -> None:
    labels, lengths = paddle.to_tensor([[1, 2, 2], [3, 0, 0]]), paddle.to_tensor([3, 1])
    gradients = []
    for _ in range(4):
        logits = logits_tensor(2, 9, 70)
        ctc_loss(logits, labels, lengths).sum().backward()
        gradients.append(logits.grad.numpy())
    assert all(np.array_equal(gradients[0], other) for other in gradients[1:])


def test_what_is_not_finite_is_seen() -> None:
    logits = logits_tensor(2, 6, 70).detach()
    logits[1, 3, 66] = float("nan")
    losses = ctc_loss(logits, paddle.to_tensor([[1], [1]]), paddle.to_tensor([1, 1])).numpy()
    assert np.isfinite(losses[0])
    assert np.isnan(losses[1])


@pytest.mark.parametrize(
    ("labels", "lengths", "message"),
    [
        ([[1, 9]], [2], "class indices"),
        ([[1, 2]], [3], "lengths"),
        ([[1, 2], [1, 2]], [1, 1], r"labels \[1, L\]"),
    ],
)
def test_what_would_leave_the_memory_is_refused(
    labels: list[list[int]], lengths: list[int], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        ctc_loss(logits_tensor(1, 6, 9), paddle.to_tensor(labels), paddle.to_tensor(lengths))


def test_padding_beyond_the_length_is_never_read() -> None:
    labels = paddle.to_tensor([[1, 2, 999]])
    logits = logits_tensor(1, 6, 5)
    expected = F.ctc_loss(
        logits.transpose([1, 0, 2]),
        paddle.to_tensor([[1, 2, 0]], dtype="int32"),
        paddle.to_tensor([6]),
        paddle.to_tensor([2]),
        reduction="none",
    )
    assert np.allclose(ctc_loss(logits, labels, paddle.to_tensor([2])), expected, rtol=1e-5)


def test_what_a_sure_and_wrong_network_loses_is_paddle_s() -> None:
    logits = paddle.zeros([1, 6, 5])
    logits[:, :, 3] = 300.0  # far more than float32 can say of the other classes
    label, length = paddle.to_tensor([[1, 2]], dtype="int32"), paddle.to_tensor([2])
    wanted = F.ctc_loss(
        logits.transpose([1, 0, 2]), label, paddle.to_tensor([6]), length, reduction="none"
    )
    assert ctc_loss(logits, label, length).numpy() == pytest.approx(wanted.numpy(), rel=1e-6)
