"""Aggregation cross-entropy against numpy."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from numpy.typing import NDArray

from training.recognition.losses import ACELoss

Array = NDArray[np.float64]


def softmax(x: Array) -> Array:
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def logits(seed: int, *shape: int) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(shape) * 2).astype(np.float32)


def test_ace_compares_counts_with_summed_probabilities() -> None:
    x = logits(2, 2, 6, 4)
    counts = np.array([[3, 2, 0, 1], [0, 1, 0, 0]])  # class 0 is replaced by the blanks
    lengths = np.array([3, 1])
    batch = {"length": paddle.to_tensor(lengths), "label_ace": paddle.to_tensor(counts)}
    wanted = []
    for image in range(2):
        mean = softmax(x[image].astype(np.float64)).sum(0) / 6
        target = counts[image] / 6
        target[0] = (6 - lengths[image]) / 6
        wanted.append(-(target * np.log(softmax(mean))).sum())
    assert float(ACELoss()(paddle.to_tensor(x), batch)) == pytest.approx(np.mean(wanted), rel=1e-5)
    assert batch["label_ace"].numpy().tolist() == counts.tolist()
