"""PPLCNetV3 computes what PaddleOCR's does, apart and merged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import ConfigError
from tests.training.backbones.computed import (
    COMPUTED,
    Family,
    assert_alike,
    assert_computes,
    assert_kernels_agree,
    assert_merges,
    assert_trains,
    build,
    digest,
    images,
    learning,
    norm,
    num_values,
    shapes,
    shipped_shapes,
)
from training.backbones.pplcnet_v3_layers import LearnableRepLayer
from training.kernels import DepthwiseConv2D, PointwiseConv2D
from training.recognition.backbones import BACKBONES

SHIPPED = COMPUTED["pplcnet_v3_shipped"]["options"]
SMALL = {"name": "PPLCNetV3", "scale": 0.125, "conv_kxk_num": 1}
NUM_LAYERS = 28
FAMILIES = [
    ("rec_v4", "Student"),
    ("rec_v4_lcnet", "Teacher"),
    ("rec_v4_lcnet", "Student"),
    ("rec_v5_mobile", ""),
]


@pytest.mark.parametrize(
    "config", ["PP-OCRv4__PP-OCRv4_mobile_rec", "PP-OCRv5__PP-OCRv5_mobile_rec"]
)
def test_every_name_and_shape_is_paddleocr_s(config: str) -> None:
    assert shapes(build(SHIPPED)) == shipped_shapes(config)


def test_the_shipped_size() -> None:
    backbone = build(SHIPPED)
    assert backbone.out_channels == 480
    assert len(shapes(backbone)) == 831
    assert num_values(backbone) == 4_960_164
    assert_trains(backbone, COMPUTED["pplcnet_v3_shipped"]["train"])


@pytest.mark.parametrize("case", ["pplcnet_v3", "pplcnet_v3_wider"])
def test_outputs_gradients_statistics_and_merged_kernels(case: str) -> None:
    wanted = COMPUTED[case]
    backbone = build(wanted["options"])
    assert_computes(backbone, wanted)
    merged = assert_merges(backbone, NUM_LAYERS)
    assert_alike(digest(merged), wanted["fused"])
    kernels = [norm(t) for name, t in backbone.state_dict().items() if "reparam_conv" in name]
    assert kernels == pytest.approx(wanted["reparam_conv"], rel=1e-5)


@pytest.mark.parametrize(("family", "network"), FAMILIES)
def test_paddleocr_s_checkpoints(family: str, network: str) -> None:
    case = Family(family, network)
    trained = case.assert_trains()
    wanted = case.arrays.get(f"train/{network}/backbone_out")
    if wanted is not None:
        assert np.abs(trained - wanted).max() < 2e-5 * np.abs(wanted).max()
    assert_merges(case.backbone, NUM_LAYERS)
    state = case.backbone.state_dict()
    for name, array in case.merged().items():
        assert np.allclose(state[name].numpy(), array, rtol=1e-5, atol=2e-6), name
    left = set(case.expected["export_keys_new"])
    merged = {case.prefix + name for name in state if "reparam_conv" in name}
    assert merged <= left and len(merged) == 2 * NUM_LAYERS


def test_branches_are_gone_once_merged() -> None:
    backbone = build(SMALL)
    backbone.eval()
    assert_merges(backbone, NUM_LAYERS)
    layer = {name for name in backbone.state_dict() if name.startswith("blocks6.0.dw_conv.")}
    kept = ("reparam_conv.weight", "reparam_conv.bias", "lab.scale", "lab.bias")
    kept = (*kept, "act.lab.scale", "act.lab.bias")
    assert layer == {f"blocks6.0.dw_conv.{name}" for name in kept}


def test_time_steps_of_training_and_of_evaluation() -> None:
    backbone = build(SMALL)
    assert backbone(images(72)).shape == [2, 64, 1, 40]
    backbone.pool.follow_width()
    assert backbone(images(72)).shape == [2, 64, 1, 9]
    backbone.eval()
    assert backbone(images(72)).shape == [2, 64, 1, 9]


def test_a_grey_image() -> None:
    backbone = BACKBONES.build(SMALL, "Backbone", in_channels=1)
    backbone.eval()
    assert backbone(images()[:, :1]).shape == [2, 64, 1, 12]


def test_learning_rates_and_weight_decay() -> None:
    rates = {"conv1": 0.5, "blocks2": 1.0, "blocks3": 1.5}
    rates |= {"blocks4": 2.0, "blocks5": 2.5, "blocks6": 3.0}
    backbone = build(SMALL | {"lr_mult_list": list(rates.values()), "lab_lr": 0.2})
    for name, (rate, decay) in learning(backbone).items():
        stage_rate = rates[name.partition(".")[0]]
        assert rate == pytest.approx(stage_rate * 0.2 if ".lab." in name else stage_rate), name
        assert decay == (0.0 if ".bn." in name else None), name


def test_convolutions_start_as_kaiming_s() -> None:
    paddle.seed(1)
    layer = LearnableRepLayer(64, 64, 5, groups=64, num_branches=2)
    weight = layer.conv_kxk[1].conv.weight.numpy()
    assert float(np.std(weight)) == pytest.approx(math.sqrt(2 / 25), rel=0.05)
    assert layer.lab.scale.item() == 1.0 and layer.act.lab.bias.item() == 0.0


@pytest.mark.parametrize(
    ("stride", "is_activated", "has_identity"),
    [(1, True, True), ((1, 2), True, False), ((2, 1), True, False), (2, False, False)],
)
def test_the_stride_decides_about_activation_and_identity(
    stride: Any, is_activated: bool, has_identity: bool
) -> None:
    layer = LearnableRepLayer(4, 4, 3, stride, groups=4)
    assert layer.is_activated == is_activated
    assert (layer.identity is not None) == has_identity
    assert "act.lab.scale" in layer.state_dict()
    layer.eval()
    x = paddle.randn([1, 4, 6, 6])
    apart = layer(x)
    layer.reparameterise()
    assert paddle.allclose(apart, layer(x), atol=1e-5)


def test_kernels_give_the_gradients_of_paddle_s_own_layers() -> None:
    assert_kernels_agree(build(SMALL))


def test_kernels_are_used() -> None:
    layer = build(SMALL).blocks3[0]
    assert isinstance(layer.dw_conv.conv_kxk[0].conv, DepthwiseConv2D)
    assert isinstance(layer.dw_conv.conv_1x1.conv, DepthwiseConv2D)
    assert isinstance(layer.pw_conv.conv_kxk[0].conv, PointwiseConv2D)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conv_kxk_num": 0}, "Backbone.conv_kxk_num: expected at least 1, got 0"),
        ({"lr_mult_list": [1.0] * 5}, "lr_mult_list: expected a list of 6 values"),
        ({"det": True}, "Backbone.det: expected False, got True"),
        ({"scales": 0.5}, "did you mean scale"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build({"name": "PPLCNetV3", **options})


def test_keys_without_effect_are_accepted() -> None:
    assert shapes(build(SMALL | {"det": False, "pretrained": True})) == shapes(build(SMALL))
