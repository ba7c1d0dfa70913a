"""Heads: how they start, what they guard against, PaddleOCR's accident and the way around it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import ConfigError
from training.detection.heads import HEADS
from training.detection.heads.db_head import DBHead
from training.detection.heads.map_branch import MapBranch
from training.detection.heads.pf_head import PFHeadLocal
from training.detection.warn import warn_once
from training.kernels.normalise import _ACTIVATIONS


def test_how_a_branch_starts() -> None:
    paddle.seed(1)
    branch = MapBranch(256)
    for norm in (branch.conv_bn1, branch.conv_bn2):
        assert (norm.weight.numpy() == 1).all()
        assert (norm.bias.numpy() == np.float32(1e-4)).all()
    bound = 1 / math.sqrt(64)
    assert 0.8 * bound < np.abs(branch.conv2.bias.numpy()).max() <= bound
    assert all(parameter.regularizer is None for parameter in branch.parameters())


def test_a_map_exceeds_its_threshold_steeply() -> None:
    head = DBHead(8, k=10)
    shrink, threshold = (paddle.full([1, 1, 1, 1], value) for value in (0.6, 0.5))
    maps = head.maps_of(shrink, threshold).numpy().ravel()
    assert maps == pytest.approx([0.6, 0.5, 1 / (1 + math.exp(-1))], rel=1e-5)


def test_what_is_not_a_number_is_replaced_in_training_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A CPU's ReLU replaces it already.
    monkeypatch.setitem(_ACTIVATIONS, "relu", lambda x: x)
    features = paddle.randn([1, 8, 4, 4])
    features[0, 0, 0, 0] = float("nan")
    branch = MapBranch(8, fix_nan=True)
    assert not paddle.isnan(branch(features)).any()
    assert paddle.isnan(MapBranch(8)(features)).any()
    branch = MapBranch(8, fix_nan=True)
    branch.eval()
    assert paddle.isnan(branch(features)).any()


def test_auxiliary_heads_want_what_the_neck_gives_them() -> None:
    head = DBHead(8, aux_in_channels=8)
    features: dict[str, Any] = {"fuse": paddle.randn([1, 8, 8, 8])}
    features |= {
        f"aux_p{level}": paddle.randn([1, 8, 16 >> (level - 1), 16 >> (level - 1)])
        for level in (2, 3, 4)
    }
    maps = head(features)
    assert {name: output.shape for name, output in maps.items()} == {
        name: [1, 3, 32, 32] for name in ("maps", "aux_maps_p4", "aux_maps_p3", "aux_maps_p2")
    }
    assert list(head(features["fuse"])) == ["maps"]


def test_both_maps_of_the_second_look(caplog: pytest.LogCaptureFixture) -> None:
    warn_once.cache_clear()
    features = paddle.randn([1, 16, 4, 4])
    kept = PFHeadLocal(16, mode="large")
    assert "both_maps: true" in caplog.text
    caplog.clear()
    right = PFHeadLocal(16, mode="large", both_maps=True)
    assert not caplog.text
    right.set_state_dict(kept.state_dict())
    for head in (kept, right):
        head.eval()
    deployed = kept.shrink_map(features)
    assert paddle.equal_all(deployed, right.shrink_map(features))
    accident, meant = kept(features), right(features)
    second = accident["distance_maps"]
    assert paddle.equal_all(accident["maps"][:, :1], second)
    assert paddle.equal_all(accident["cbn_maps"], accident["maps"][:, 2:])
    assert paddle.equal_all(meant["cbn_maps"], second)
    assert paddle.allclose(0.5 * (meant["maps"][:, :1] + second), deployed)
    assert paddle.equal_all(meant["maps"][:, 1:], accident["maps"][:, 1:])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "DBHead", "kernel_list": [3, 2]}, "kernel_list: expected a list of 3 values"),
        ({"name": "DBHead", "mode": "large"}, "unknown option of DBHead 'mode'"),
        ({"name": "PFHeadLocal", "mode": "medium"}, "mode: expected 'large' or 'small'"),
        ({"name": "CTCHead"}, "unknown head 'CTCHead'"),
    ],
)
def test_mistakes_are_named(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        HEADS.build(section, "Head", in_channels=8)
