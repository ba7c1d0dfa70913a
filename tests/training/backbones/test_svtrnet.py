"""SVTRNet against PaddleOCR's names, shapes and outputs, and its mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import ConfigError
from tests.families import full_size_image
from tests.family_checks import ROUNDING
from tests.training.reference import (
    Family,
    FullSize,
    encoder_of,
    relative_difference,
    shapes_of,
    shapes_under,
)
from training.backbones.svtrnet import SVTRNet
from training.recognition.backbones import BACKBONES
from training.recognition.necks import SequenceEncoder

SMALL: dict[str, Any] = {
    "name": "SVTRNet",
    "img_size": [32, 24],
    "embed_dim": [8, 16, 24],
    "depth": [1, 2, 1],
    "num_heads": [2, 4, 4],
    "mixer": ["Local", "Conv", "Global", "Global"],
    "local_mixer": [[3, 5], [5, 5], [3, 3]],
    "out_char_num": 5,
    "out_channels": 12,
}
SHIPPED_TEACHER = {
    "name": "SVTRNet",
    "img_size": [48, 320],
    "patch_merging": "Conv",
    "mixer": ["Conv"] * 6 + ["Global"] * 6,
    "local_mixer": [[5, 5]] * 3,
    "last_stage": False,
}
NO_DROPPING = {"drop_path_rate": 0.0}
LARGE = "up2026__rec__PP-OCRv4__ch_PP-OCRv4_rec_svtr_large"
DISTILLATION = "up2026__rec__PP-OCRv4__PP-OCRv4_mobile_rec_distillation"


def build(**changes: Any) -> Any:
    return BACKBONES.build({**SMALL, **changes}, "Backbone", in_channels=3)


def names_of(layer: paddle.nn.Layer, part: str) -> set[str]:
    return {name.removeprefix(part) for name in layer.state_dict() if name.startswith(part)}


def test_names_follow_the_options() -> None:
    backbone = build()
    attention = {f"{layer}.{kind}" for layer in ("qkv", "proj") for kind in ("weight", "bias")}
    assert names_of(backbone, "blocks1.0.mixer.") == attention
    assert names_of(backbone, "blocks2.0.mixer.") == {"local_mixer.weight", "local_mixer.bias"}
    assert names_of(backbone, "blocks2.1.mixer.") == attention
    assert names_of(backbone, "sub_sample1.") == {
        f"{layer}.{kind}" for layer in ("conv", "norm") for kind in ("weight", "bias")
    }
    assert names_of(backbone, "last_conv.") == {"weight"}
    assert not names_of(backbone, "norm.")
    # `prenorm: false` is the form that has a last norm.
    assert names_of(build(prenorm=False), "norm.") == {"weight", "bias"}
    assert "sub_sample2.proj.weight" in build(patch_merging="Pool").state_dict()
    plain = build(patch_merging="None", embed_dim=[8, 8, 8], last_stage=False, out_channels=8)
    assert not names_of(plain, "sub_sample1.") and not names_of(plain, "last_conv.")
    assert "patch_embed.proj.2.conv.bias" in build(sub_num=3).state_dict()


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({}, [2, 12, 1, 5]),
        ({"last_stage": False, "out_channels": 24}, [2, 2 * 6, 24]),
        ({"patch_merging": "Pool", "prenorm": False}, [2, 12, 1, 5]),
        ({"patch_merging": None, "embed_dim": [8, 8, 8], "img_size": [20, 24]}, [2, 12, 1, 5]),
    ],
)
def test_shapes(changes: dict[str, Any], shape: list[int]) -> None:
    backbone = build(**changes)
    image = paddle.randn([2, 3, *changes.get("img_size", SMALL["img_size"])])
    assert backbone(image).shape == shape
    assert backbone.out_channels == (shape[1] if len(shape) == 4 else shape[2])


def test_time_steps_are_adaptive_averages() -> None:
    backbone = build(last_drop=0.0)
    columns = np.random.default_rng(0).normal(size=(1, 24, 2, 6)).astype(np.float32)
    wanted = paddle.nn.functional.adaptive_avg_pool2d(paddle.to_tensor(columns), [1, 5])
    sequence = paddle.to_tensor(columns.reshape(1, 24, 12).transpose(0, 2, 1))
    got = paddle.matmul(backbone.means, sequence).transpose([0, 2, 1])
    assert paddle.allclose(got, wanted[:, :, 0], atol=1e-6)


def test_later_blocks_are_dropped_more_often() -> None:
    backbone = build(drop_path_rate=0.3)
    blocks = [*backbone.blocks1, *backbone.blocks2, *backbone.blocks3]
    assert np.allclose([block.drop_path.drop_prob for block in blocks], [0.0, 0.1, 0.2, 0.3])


def test_another_size_is_named() -> None:
    message = r"expected img_size 32 x 24 px \(H x W\), got 32 x 40.*max_width 24"
    with pytest.raises(ConfigError, match=message):
        build()(paddle.zeros([1, 3, 32, 40]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixer": ["Conv"] * 3}, "mixer: expected one for each of 4 blocks, got 3"),
        ({"mixer": ["Conv", "Conv", "Conv", "Mean"]}, "mixer: expected a list"),
        ({"num_heads": [2, 3, 4]}, "embed_dim: expected a multiple of the 3 heads, got 16"),
        ({"local_mixer": [[4, 5]] * 3}, r"local_mixer: .*expected odd sizes, got \[4, 5\]"),
        ({"img_size": [24, 24]}, "img_size: expected multiples of 16 px in height and of 4"),
        ({"patch_merging": None}, r"embed_dim: .*expected equal ones, got \[8, 16, 24\]"),
        ({"last_stage": False}, "out_channels: without last_stage .* 24 channels: .*got 12"),
        ({"use_lenhead": True}, "use_lenhead: expected False, got True"),
        ({"act": "nn.ReLU"}, "act: expected 'nn.GELU' or 'nn.Swish'"),
        ({"sub_num": 4}, "sub_num: expected 2 or 3"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**changes)


def test_a_width_without_last_stage_needs_no_out_channels() -> None:
    options = {key: value for key, value in SMALL.items() if key != "out_channels"}
    section = {**options, "last_stage": False}
    assert BACKBONES.build(section, "Backbone", in_channels=3).out_channels == 24


def test_the_teacher_of_pp_ocrv4() -> None:
    family = Family("rec_v4")
    section = family.network("Teacher")
    backbone = BACKBONES.build(section["Backbone"], "Backbone", in_channels=3)
    neck = SequenceEncoder(backbone.out_channels, **encoder_of(section))
    family.fill(backbone, "Teacher.backbone.")
    family.fill(neck, "Teacher.head.ctc_encoder.")
    features = backbone(paddle.to_tensor(family.arrays["image"]))
    assert relative_difference(features, family.arrays["train/Teacher/backbone_out"]) < 1e-5
    assert relative_difference(neck(features), family.arrays["train/Teacher/neck_out"]) < 1e-5


def test_the_shipped_teacher_s_names() -> None:
    backbone = BACKBONES.build(SHIPPED_TEACHER, "Backbone", in_channels=3)
    assert shapes_of(backbone) == shapes_under("Teacher.backbone.", DISTILLATION)


def test_svtr_large_at_its_full_size() -> None:
    shapes = shapes_under("", LARGE)
    full = FullSize("ch_PP-OCRv4_rec_svtr_large", shapes)
    network = full.config["Architecture"]
    section = network["Backbone"] | NO_DROPPING
    backbone = BACKBONES.build(section, "Backbone", in_channels=3)
    assert shapes_of(backbone) == shapes_under("backbone.", LARGE)
    neck = SequenceEncoder(backbone.out_channels, **encoder_of(network))
    assert shapes_of(neck) == shapes_under("head.ctc_encoder.", LARGE)
    full.fill(backbone, "backbone.")
    full.fill(neck, "head.ctc_encoder.")
    with paddle.no_grad():
        features = backbone(paddle.to_tensor(full_size_image()))
        rows = features.reshape([0, 3, -1, backbone.out_channels]).transpose([0, 3, 1, 2])
        sequence = neck(paddle.nn.functional.avg_pool2d(rows, [3, 2]))
    assert full.difference("train/ctc_neck", sequence) < ROUNDING * 1e-5


def test_the_corrected_teacher_of_pp_ocrv4_at_its_full_size() -> None:
    shapes = shapes_under("", DISTILLATION)
    backbone = BACKBONES.build(SHIPPED_TEACHER | NO_DROPPING, "Backbone", in_channels=3)
    neck = SequenceEncoder(256, encoder_type="svtr", dims=120, kernel_size=(1, 3))
    for name, shape in shapes_of(neck).items():
        shapes[f"Teacher.head.ctc_encoder.{name}"] = shape
    full = FullSize("PP-OCRv4_mobile_rec_distillation", shapes)
    full.fill(backbone, "Teacher.backbone.")
    with paddle.no_grad():
        features = backbone(paddle.to_tensor(full_size_image()))
    assert full.difference("train/Teacher/backbone_out", features) < 1e-5


def test_its_default_is_svtr_tiny() -> None:
    assert SVTRNet().out_channels == 192
