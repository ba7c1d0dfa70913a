"""SVTRv2 against PaddleOCR's names, shapes and outputs, and its mistakes."""

from __future__ import annotations

import logging
from typing import Any

import paddle
import pytest

from runtime.errors import ConfigError
from tests.families import full_size_image
from tests.training.reference import (
    FullSize,
    encoder_of,
    shapes_of,
    shapes_under,
)
from training.backbones import svtrv2
from training.recognition.backbones import BACKBONES
from training.recognition.necks import SequenceEncoder

SMALL: dict[str, Any] = {
    "name": "SVTRv2",
    "dims": [8, 12, 16],
    "depths": [1, 3, 1],
    "num_heads": [2, 4, 4],
    "mixer": [["Conv"], ["Conv", "Global", "Global"], ["Global"]],
    "local_k": [[5, 5], [5, 5], [-1, -1]],
    "sub_k": [[2, 1], [2, 1], [-1, -1]],
    "use_pool": True,
}
SHIPPED: dict[str, Any] = {
    "name": "SVTRv2",
    "use_pos_embed": False,
    "dims": [128, 256, 384],
    "depths": [6, 6, 6],
    "num_heads": [4, 8, 12],
    "mixer": [["Conv"] * 6, ["Conv"] * 2 + ["Global"] * 4, ["Global"] * 6],
    "local_k": [[5, 5], [5, 5], [-1, -1]],
    "sub_k": [[2, 1], [2, 1], [-1, -1]],
    "last_stage": False,
    "use_pool": True,
}
DISTILLATION = "up2026__rec__SVTRv2__ch_SVTRv2_rec_distillation"


def build(**changes: Any) -> Any:
    return BACKBONES.build({**SMALL, **changes}, "Backbone", in_channels=3)


def test_a_place_is_left_where_attention_begins() -> None:
    state = build().state_dict()
    assert state["stages.0.blocks.0.mixer.weight"].shape == [8, 4, 5, 5]
    assert state["stages.1.blocks.0.mixer.weight"].shape == [12, 3, 5, 5]
    assert not any(name.startswith("stages.1.blocks.1.") for name in state)
    assert state["stages.1.blocks.2.mixer.qkv.weight"].shape == [12, 36]
    assert state["stages.1.blocks.3.mixer.proj.bias"].shape == [12]
    assert state["stages.2.blocks.0.mixer.qkv.weight"].shape == [16, 48]
    assert state["stages.1.downsample.conv.weight"].shape == [16, 12, 3, 3]
    assert not any(name.startswith("stages.2.downsample") for name in state)


@pytest.mark.parametrize(
    ("changes", "channels", "shape"),
    [
        ({}, 16, [16, 1, 13]),
        ({"use_pool": False}, 16, [3 * 26, 16]),
        ({"use_pool": False, "feat2d": True}, 16, [16, 3, 26]),
        ({"use_pool": False, "last_stage": True, "out_channels": 10}, 10, [26, 10]),
        ({"last_stage": True, "out_channels": 10}, 10, [10, 1, 13]),
        ({"use_pos_embed": True, "max_sz": [48, 160]}, 16, [16, 1, 13]),
        ({"sub_k": [[1, 1], [2, 2], [1, 1]]}, 16, [16, 1, 6]),
    ],
)
def test_shapes(changes: dict[str, Any], channels: int, shape: list[int]) -> None:
    backbone = build(**changes)
    assert backbone(paddle.randn([2, 3, 48, 104])).shape == [2, *shape]
    assert backbone.out_channels == channels


def test_an_image_beyond_the_embedded_positions_is_named() -> None:
    backbone = build(use_pos_embed=True, max_sz=[48, 96])
    message = "at most, got an image of 48 x 104; raise max_sz"
    with pytest.raises(ConfigError, match=message):
        backbone(paddle.zeros([1, 3, 48, 104]))


def test_drop_rates_without_effect_are_told(caplog: pytest.LogCaptureFixture) -> None:
    def rates(**changes: Any) -> set[float]:
        layers = build(drop_rate=0.2, attn_drop_rate=0.3, **changes).sublayers()
        return {layer.p for layer in layers if isinstance(layer, paddle.nn.Dropout)}

    svtrv2._warn_of_drop_rates.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert rates(uses_drop_rates=True) == {0.2, 0.3}
        assert not caplog.text
        assert rates() == {0.0} == rates()
    assert caplog.text.count("uses_drop_rates: true makes them count") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dims": [8, 12]}, "dims: expected one for each of 3 stages, got 2"),
        ({"num_heads": [3, 4, 4]}, "dims: expected a multiple of the 3 heads, got 8"),
        ({"depths": [2, 3, 1]}, r"mixer: expected one for each of 2 blocks, got \['Conv'\]"),
        (
            {"mixer": [["Global"], ["Conv", "Global", "Global"], ["Global"]]},
            "mixer: expected Conv blocks before Global ones",
        ),
        ({"mixer": [["Local"], ["Conv", "Global", "Global"], ["Global"]]}, "mixer: expected a"),
        ({"feat2d": True}, "feat2d: use_pool returns a map already"),
        ({"local_kernel": 5}, "unknown option of SVTRv2 'local_kernel'"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**changes)


def test_the_shipped_network_s_names() -> None:
    backbone = BACKBONES.build(SHIPPED, "Backbone", in_channels=3)
    assert shapes_of(backbone) == shapes_under("backbone.", "up2026__rec__SVTRv2__ch_SVTRv2_rec")


def test_the_teacher_of_repsvtr_at_its_full_size() -> None:
    shapes = shapes_under("", DISTILLATION)
    full = FullSize("ch_SVTRv2_rec_distillation", shapes)
    network = full.config["Architecture"]["Models"]["Teacher"]
    section = {**network["Backbone"], "drop_path_rate": 0.0}
    backbone = BACKBONES.build(section, "Backbone", in_channels=3)
    neck = SequenceEncoder(backbone.out_channels, **encoder_of(network))
    assert shapes_of(backbone) == shapes_under("Teacher.backbone.", DISTILLATION)
    assert shapes_of(neck) == shapes_under("Teacher.head.ctc_encoder.", DISTILLATION)
    full.fill(backbone, "Teacher.backbone.")
    full.fill(neck, "Teacher.head.ctc_encoder.")
    with paddle.no_grad():
        features = backbone(paddle.to_tensor(full_size_image()))
        sequence = neck(features)
    assert full.difference("train/Teacher/backbone_out", features) < 1e-5
    assert full.difference("train/Teacher/neck_out", sequence) < 1e-5
