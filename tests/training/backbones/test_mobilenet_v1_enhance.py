"""MobileNetV1Enhance with every option."""

from __future__ import annotations

from typing import Any

import paddle
import pytest

from runtime.errors import ConfigError
from training.backbones.mobilenet_v1_enhance import MobileNetV1Enhance
from training.recognition.backbones import BACKBONES


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [512, 1, 16]),
        ({"scale": 0.25}, [256, 1, 16]),
        ({"last_conv_stride": [1, 2]}, [512, 1, 8]),
        ({"last_pool_type": "avg", "last_pool_kernel_size": [2, 2]}, [512, 1, 16]),
        ({"last_pool_type": "avg", "last_pool_kernel_size": 2}, [512, 1, 16]),
        (
            {
                "last_conv_stride": [1, 2],
                "last_pool_type": "avg",
                "last_pool_kernel_size": [2, 1],
            },
            [512, 1, 16],
        ),
    ],
)
def test_output(options: dict[str, Any], wanted: list[int]) -> None:
    section = {"name": "MobileNetV1Enhance", **options}
    backbone = BACKBONES.build(section, "Backbone", in_channels=3)
    backbone.eval()
    with paddle.no_grad():
        features = backbone(paddle.zeros([2, 3, 32, 64]))
    assert features.shape == [2, *wanted]
    assert backbone.out_channels == wanted[0]


def test_pools_differ_in_value_where_their_shapes_agree() -> None:
    paddle.seed(1)
    most = MobileNetV1Enhance(scale=0.125)
    mean = MobileNetV1Enhance(scale=0.125, last_pool_type="avg", last_pool_kernel_size=(2, 2))
    mean.set_state_dict(most.state_dict())
    most.eval()
    mean.eval()
    images = paddle.randn([1, 3, 32, 32])
    assert bool((most(images) >= mean(images)).all())
    assert bool((most(images) > mean(images)).any())


def test_no_weight_decay_on_batch_norm() -> None:
    backbone = MobileNetV1Enhance(scale=0.125)
    for name, parameter in backbone.named_parameters():
        if "_batch_norm" in name and parameter.trainable:
            assert parameter.regularizer._coeff == 0.0
        elif name.endswith("_conv.weight"):
            assert parameter.regularizer is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"last_pool_type": "min"}, "expected 'max' or 'avg', got 'min'"),
        ({"last_conv_stride": [1, 2, 3]}, "expected a whole number or a list of 2 values"),
        ({"last_pool_kernel_size": "2"}, "last_pool_kernel_size: expected"),
        ({"scale": "half"}, "Backbone.scale: expected a number, got 'half'"),
        ({"in_channels": 3}, "unknown option"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BACKBONES.build({"name": "MobileNetV1Enhance", **options}, "Backbone", in_channels=3)
