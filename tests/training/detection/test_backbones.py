"""Backbones of detection give features at strides 4, 8, 16 and 32, and name what is wrong."""

from __future__ import annotations

import copy
from typing import Any

import paddle
import pytest
from paddle import nn

from runtime.errors import ConfigError
from training.backbones.pplcnet_v4_tables import MULTI_SCALE_TABLES
from training.backbones.reparameterise import drop_training_parts
from training.detection.backbones import BACKBONES
from training.recognition.backbones import BACKBONES as OF_LINES

STAGES = {
    "stage1": [8, 8, 16, 1, False, False, 3, 2, 2],
    "stage2": [16, 8, 24, 1, True, False, 3, 2, 2],
    "stage3": [24, 8, 32, 2, True, True, 5, 2, 2],
    "stage4": [32, 8, 40, 1, True, True, 5, 2, 2],
}
TABLE = {
    "stem": [4, 8],
    "blocks_s1": [[3, 8, 8, 1, True]],
    "blocks_s2": [[3, 8, 12, 2, False]],
    "blocks_s3": [[5, 12, 16, 2, False], [3, 16, 16, 1, True]],
    "blocks_s4": [[3, 16, 24, 2, False]],
}
SECTIONS: list[tuple[dict[str, Any], list[int]]] = [
    ({"name": "MobileNetV3"}, [16, 24, 56, 480]),
    ({"name": "MobileNetV3", "model_name": "small", "scale": 0.35}, [8, 8, 16, 200]),
    ({"name": "ResNet_vd", "layers": 18}, [64, 128, 256, 512]),
    ({"name": "PPLCNetV3", "det": True, "scale": 0.1, "conv_kxk_num": 1}, [1, 2, 5, 48]),
    (
        {
            "name": "PPHGNet_small",
            "det": True,
            "stem_channels": [4, 4, 8],
            "layer_num": 2,
            "stage_config": {
                "stage1": [8, 8, 16, 1, False, 2],
                "stage2": [16, 8, 24, 1, True, 2],
                "stage3": [24, 8, 32, 2, True, 2],
                "stage4": [32, 8, 40, 1, True, 2],
            },
        },
        [16, 24, 32, 40],
    ),
    (
        {"name": "PPHGNetV2_B4", "det": True, "stem_channels": [3, 8, 8], "stage_config": STAGES}
        | {"class_expand": 8},
        [16, 24, 32, 40],
    ),
    ({"name": "PPLCNetV4", "det": True, "net_config": TABLE}, [8, 12, 16, 24]),
    ({"name": "PPLCNetV4", "det": True, "model_size": "tiny"}, [32, 48, 64, 160]),
]


def build(section: dict[str, Any], in_channels: int = 3) -> nn.Layer:
    return BACKBONES.build(section, "Backbone", in_channels=in_channels)


@pytest.mark.parametrize(("section", "channels"), SECTIONS, ids=lambda value: str(value)[:40])
def test_channels_and_strides(section: dict[str, Any], channels: list[int]) -> None:
    backbone = build(section)
    backbone.eval()
    assert list(backbone.out_channels) == channels
    with paddle.no_grad():
        features = backbone(paddle.zeros([1, 3, 64, 96]))
    assert [feature.shape for feature in features] == [
        [1, count, 64 // stride, 96 // stride]
        for count, stride in zip(channels, (4, 8, 16, 32), strict=True)
    ]


def test_odd_sides_pool_to_what_the_convolution_beside_gives() -> None:
    backbone = build({"name": "ResNet_vd", "layers": 18})
    backbone.eval()
    with paddle.no_grad():
        features = backbone(paddle.zeros([1, 3, 36, 44]))
    assert [feature.shape[2:] for feature in features] == [[9, 11], [5, 6], [3, 3], [2, 2]]


def test_the_network_s_channels_count_and_a_repetition_in_the_config_does_not() -> None:
    backbone = build({"name": "ResNet_vd", "layers": 18, "in_channels": 3}, in_channels=1)
    assert backbone.conv1_1._conv.weight.shape == [32, 1, 3, 3]


def test_keys_without_effect_are_accepted() -> None:
    section = {"name": "PPLCNetV3", "det": True, "scale": 0.1, "mode": "small", "pretrained": False}
    assert build(section).out_channels == [1, 2, 5, 48]


def test_what_nothing_reads_is_dropped() -> None:
    backbone = build(SECTIONS[5][0])
    assert drop_training_parts(backbone) == ["last_conv"]


def test_the_tiers_of_pplcnet_v4() -> None:
    table = MULTI_SCALE_TABLES["medium"]
    assert table["stem"] == (64, 128)
    assert [list(row) for row in table["blocks_s3"]] == [
        [3, 256, 512, 2, False],
        [3, 512, 512, 1, True],
        [3, 512, 512, 1, False],
        [3, 512, 512, 1, True],
        [3, 512, 512, 1, False],
    ]


def _without_rows(stage: str) -> dict[str, Any]:
    return {"net_config": {**copy.deepcopy(TABLE), stage: []}}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "MobileNetV3", "scale": 0.4}, "scale: expected one of 0.35, 0.5"),
        ({"name": "MobileNetV3", "small_stride": [1, 2, 2, 2]}, "unknown option of MobileNetV3"),
        ({"name": "ResNet_vd", "layers": 20}, "layers: expected 18 or 34 or 50 or"),
        ({"name": "PPLCNetV3"}, "PPLCNetV3 needs the option det"),
        ({"name": "PPHGNet_small", "det": False}, "det: expected True, got False"),
        ({"name": "PPHGNetV2_B4", "det": True, "text_rec": True}, "text_rec: expected False"),
        ({"name": "PPLCNetV4", "det": True, **_without_rows("blocks_s2")}, "blocks_s2: expected"),
        (
            {"name": "PPLCNetV4", "det": True, "net_config": {**TABLE, "stem_type": "branch"}},
            "unknown key 'stem_type'",
        ),
        ({"name": "SVTRNet"}, "unknown backbone 'SVTRNet'"),
    ],
)
def test_mistakes_are_named(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(section)


@pytest.mark.parametrize("name", ["PPLCNetV3", "PPHGNet_small", "PPLCNetV4"])
def test_recognition_takes_the_form_for_lines_alone(name: str) -> None:
    with pytest.raises(ConfigError, match="det: expected False, got True"):
        OF_LINES.build({"name": name, "det": True}, "Backbone", in_channels=3)
