"""CTCHead with one and with two layers, and with a convolution before them."""

from __future__ import annotations

import math

import paddle
import pytest
from paddle.nn import functional as F

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


@pytest.mark.parametrize("is_training", [True, False])
def test_a_guide_convolves_over_time_before_the_layers(is_training: bool) -> None:
    head = CTCHead(6, 5, return_feats=True, use_guide=True)
    shapes = {name: list(tensor.shape) for name, tensor in head.state_dict().items()}
    norm = ("weight", "bias", "_mean", "_variance")
    assert shapes == {
        "guide_layer.0.weight": [6, 1, 5],
        **{f"guide_layer.1.{name}": [6] for name in norm},
        "guide_layer.3.weight": [6, 6, 1],
        **{f"guide_layer.4.{name}": [6] for name in norm},
        "fc.weight": [6, 5],
        "fc.bias": [5],
    }
    (head.train if is_training else head.eval)()
    x = paddle.randn([2, 7, 6])
    wanted = x.transpose([0, 2, 1])
    state = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    for conv, padding, groups in ((0, 2, 6), (3, 0, 1)):
        wanted = F.conv1d(
            wanted, state[f"guide_layer.{conv}.weight"], padding=padding, groups=groups
        )
        weight, bias, mean, variance = (state[f"guide_layer.{conv + 1}.{name}"] for name in norm)
        wanted = F.batch_norm(wanted, mean, variance, weight, bias, training=is_training)
        wanted = F.hardswish(wanted)
    features, logits = head(x)
    assert paddle.allclose(features, wanted.transpose([0, 2, 1]), atol=1e-5)
    assert paddle.allclose(logits, features @ head.fc.weight + head.fc.bias, atol=1e-6)
    for name in ("guide_layer.1._mean", "guide_layer.4._variance"):
        assert paddle.allclose(head.state_dict()[name], state[name], atol=1e-6)


def test_a_guide_passes_gradients() -> None:
    head = CTCHead(6, 5, use_guide=True)
    x = paddle.randn([2, 7, 6])
    x.stop_gradient = False
    head.logits(x).square().sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters() if parameter.trainable)
    assert float(x.grad.abs().min()) > 0


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
    with pytest.raises(ConfigError, match=r"unknown head 'CTC'.*did you mean CTCHead"):
        HEADS.build({"name": "CTC"}, "Head")
