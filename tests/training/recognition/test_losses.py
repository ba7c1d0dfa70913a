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
from training.recognition.losses import (
    ACELoss,
    CenterLoss,
    CTCLoss,
    DistanceLoss,
    DMLLoss,
    KLDivLoss,
)

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


def ctc_batch(labels: list[tuple[int, ...]]) -> list[Any]:
    padded = np.zeros((len(labels), max(map(len, labels))), np.int64)
    for row, label in zip(padded, labels, strict=True):
        row[: len(label)] = label
    return [None, paddle.to_tensor(padded), paddle.to_tensor([len(label) for label in labels])]


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
    batch = [None, None, paddle.to_tensor(lengths), paddle.to_tensor(counts)]
    wanted = []
    for image in range(2):
        mean = softmax(x[image].astype(np.float64)).sum(0) / 6
        target = counts[image] / 6
        target[0] = (6 - lengths[image]) / 6
        wanted.append(-(target * np.log(softmax(mean))).sum())
    assert float(ACELoss()(paddle.to_tensor(x), batch)) == pytest.approx(np.mean(wanted), rel=1e-5)
    assert batch[3].numpy().tolist() == counts.tolist()


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
    result = loss(prediction, [])
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
        center_loss()(x, [])
    with pytest.raises(ConfigError, match=r"num_classes 4 and feat_dim 5.*got 4 and 3"):
        center_loss()((paddle.zeros([1, 2, 5]), x), [])


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
