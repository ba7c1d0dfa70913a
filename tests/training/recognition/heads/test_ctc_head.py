"""CTCHead with one and with two layers."""

from __future__ import annotations

import math

import paddle
import pytest

from runtime.errors import ConfigError
from training.recognition.heads import HEADS, CTCHead


def test_one_layer() -> None:
    head = CTCHead(6, 5, fc_decay=0.1, return_feats=True)
    x = paddle.randn([2, 3, 6])
    features, logits = head(x)
    assert list(head.state_dict()) == ["fc.weight", "fc.bias"]
    assert bool((features == x).all())
    assert paddle.allclose(logits, x @ head.fc.weight + head.fc.bias, atol=1e-6)
    assert bool((head.logits(x) == logits).all())


def test_two_layers() -> None:
    head = CTCHead(6, 5, mid_channels=4, return_feats=True)
    x = paddle.randn([2, 3, 6])
    features, logits = head(x)
    assert list(head.state_dict()) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert features.shape == [2, 3, 4]
    assert logits.shape == [2, 3, 5]
    assert paddle.allclose(logits, features @ head.fc2.weight + head.fc2.bias, atol=1e-6)


def test_initial_values_and_decay() -> None:
    head = CTCHead(100, 50, fc_decay=0.25, mid_channels=64)
    for layer, fan_in in ((head.fc1, 100), (head.fc2, 64)):
        for parameter in (layer.weight, layer.bias):
            bound = 1 / math.sqrt(fan_in)
            largest = float(parameter.abs().max())
            assert 0.7 * bound < largest <= bound
            assert parameter.regularizer._coeff == 0.25


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean mid_channels"):
        HEADS.build({"name": "CTCHead", "mid_channel": 4}, "Head", in_channels=1, out_channels=2)
    with pytest.raises(ConfigError, match=r"Head\.return_feats: expected true or false, got 'no'"):
        HEADS.build({"name": "CTCHead", "return_feats": "no"}, "Head", in_channels=1)
    with pytest.raises(ConfigError, match="unknown head 'MultiHead'"):
        HEADS.build({"name": "MultiHead"}, "Head")
