"""The distance to the centre of the predicted class, and files of centres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from numpy.typing import NDArray

from runtime.errors import CheckpointError, ConfigError
from training.checkpoint.safe_pickle import dump_pickle
from training.recognition.losses import CenterLoss


def logits(seed: int, *shape: int) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(shape) * 2).astype(np.float32)


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
