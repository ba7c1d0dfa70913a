"""CTC against the sum over every path, and the labels that it takes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from runtime.errors import ConfigError
from training.recognition.losses import CTCLoss

Array = NDArray[np.float64]


def softmax(x: Array) -> Array:
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def logits(seed: int, *shape: int) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(shape) * 2).astype(np.float32)


def loss_by_listing(x: Array, label: tuple[int, ...]) -> float:
    """-log of the summed probability of every path that spells `label`: K ** T of them."""
    probabilities = softmax(x.astype(np.float64))
    num_steps, num_classes = x.shape
    total = 0.0
    for path in itertools.product(range(num_classes), repeat=num_steps):
        if tuple(k for k, _ in itertools.groupby(path) if k) == label:
            total += float(np.prod(probabilities[range(num_steps), path]))
    return -np.log(total)


def ctc_batch(labels: list[tuple[int, ...]]) -> dict[str, Any]:
    padded = np.zeros((len(labels), max(map(len, labels))), np.int64)
    for row, label in zip(padded, labels, strict=True):
        row[: len(label)] = label
    lengths = [len(label) for label in labels]
    return {"label": paddle.to_tensor(padded), "length": paddle.to_tensor(lengths)}


label_of_4 = st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 999), first=label_of_4, second=label_of_4)
def test_ctc_equals_the_sum_over_all_paths(
    seed: int, first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    x = logits(seed, 2, 4, 4)
    wanted = [loss_by_listing(x[0], first), loss_by_listing(x[1], second)]
    batch = ctc_batch([first, second])
    got = float(CTCLoss()(paddle.to_tensor(x), batch))
    assert got == pytest.approx(np.mean(wanted), rel=1e-4)
    focal = float(CTCLoss(use_focal_loss=True)(paddle.to_tensor(x), batch))
    weighted = [loss * (1 - np.exp(-loss)) ** 2 for loss in wanted]
    assert focal == pytest.approx(np.mean(weighted), rel=1e-4)


def test_ctc_takes_the_logits_of_a_pair_and_sends_them_a_gradient() -> None:
    x = paddle.to_tensor(logits(1, 2, 5, 4), stop_gradient=False)
    batch = ctc_batch([(1, 2), (3,)])
    CTCLoss()((paddle.zeros([1]), x), batch).backward()
    gradient = x.grad.numpy()
    assert np.abs(gradient).max() > 0.01
    assert np.allclose(gradient.sum(-1), 0, atol=1e-6)  # a softmax's gradient sums to zero


def test_labels_of_several_decoders_are_told_apart() -> None:
    x = paddle.to_tensor(logits(2, 2, 5, 4))
    batch = ctc_batch([(1, 2), (3,)])
    wanted = float(CTCLoss()(x, batch))
    several = {"label_ctc": batch["label"], "label": batch["label"] * 0 + 1}
    assert float(CTCLoss()(x, {**several, "length": batch["length"]})) == wanted
    with pytest.raises(ConfigError, match="expected label_ctc in the batch, got label_gtc, length"):
        CTCLoss()(x, {"label_gtc": batch["label"], "length": batch["length"]})


def test_several_outputs_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected the logits of one decoder, got ctc, gtc"):
        CTCLoss()({"ctc": paddle.zeros([1]), "gtc": paddle.zeros([1])}, {})
