"""Each formula against an independent computation in numpy."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from runtime.errors import CheckpointError, ConfigError
from training.checkpoint.safe_pickle import dump_pickle
from training.recognition.losses import ACELoss, CenterLoss, CTCLoss

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
    weighted = [one * (1 - np.exp(-one)) ** 2 for one in wanted]
    assert focal == pytest.approx(np.mean(weighted), rel=1e-4)


def test_ctc_takes_the_logits_of_a_pair_and_sends_them_a_gradient() -> None:
    x = paddle.to_tensor(logits(1, 2, 5, 4), stop_gradient=False)
    batch = ctc_batch([(1, 2), (3,)])
    CTCLoss()((paddle.zeros([1]), x), batch).backward()
    gradient = x.grad.numpy()
    assert np.abs(gradient).max() > 0.01
    assert np.allclose(gradient.sum(-1), 0, atol=1e-6)  # a softmax's gradient sums to zero


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


def center_loss(path: Path | None = None, content: Any = None) -> CenterLoss:
    if path is not None:
        path.write_bytes(dump_pickle(content))
    return CenterLoss(4, 3, None if path is None else str(path))


def test_center_loss_is_the_distance_to_the_centre_of_the_predicted_class(tmp_path: Path) -> None:
    given = {0: np.array([1.0, 0, 0]), 2: np.array([0, 2.0, 0])}
    loss = center_loss(tmp_path / "centers.pkl", given)
    x, features = logits(3, 1, 2, 4) * 0, logits(4, 1, 2, 3)
    x[0, 0, 0] = x[0, 1, 2] = 5
    prediction = (paddle.to_tensor(features, stop_gradient=False), paddle.to_tensor(x))
    distances = [((features[0, i] - given[k]) ** 2).sum() for i, k in ((0, 0), (1, 2))]
    result = loss(prediction, {})
    assert float(result) == pytest.approx(np.mean(distances), rel=1e-6)
    result.backward()
    assert np.abs(prediction[0].grad.numpy()).max() > 0
    assert "centers" not in loss.state_dict()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "no centre file"),
        ({7: np.zeros(3)}, "classes from 0 to 3, got 7"),
        ({"a": np.zeros(3)}, "classes from 0 to 3, got 'a'"),
        ({1: np.zeros(2)}, "centre of 3 values for class 1"),
    ],
)
def test_center_files_that_do_not_fit(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        center_loss(tmp_path / "centers.pkl", content)


def test_center_loss_names_what_the_head_lacks() -> None:
    x = paddle.zeros([1, 2, 4])
    with pytest.raises(ConfigError, match="return_feats"):
        center_loss()(x, {})
    with pytest.raises(ConfigError, match=r"num_classes 4 and feat_dim 5.*got 4 and 3"):
        center_loss()((paddle.zeros([1, 2, 5]), x), {})
