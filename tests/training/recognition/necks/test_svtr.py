"""The encoders by attention against PaddleOCR's names, shapes and outputs."""

from __future__ import annotations

from typing import Any

import paddle
import pytest

from tests.training.reference import (
    Family,
    encoder_of,
    relative_difference,
    shapes_of,
    shapes_under,
)
from training.recognition.backbones import BACKBONES
from training.recognition.necks import SequenceEncoder

MOBILE = {"encoder_type": "svtr", "dims": 120, "depth": 2, "hidden_dims": 120}
LIGHT = {"encoder_type": "lightsvtr", "depth": 2, "local_kernel": 7}


@pytest.mark.parametrize(
    ("options", "in_channels", "case", "network"),
    [
        (
            {"encoder_type": "svtr", "dims": 64, "depth": 2, "hidden_dims": 120},
            *(512, "PP-OCRv3__PP-OCRv3_mobile_rec", ""),
        ),
        (
            {**MOBILE, "kernel_size": [1, 3]},
            *(480, "PP-OCRv4__PP-OCRv4_mobile_rec_distillation", "Student."),
        ),
        (
            # The shipped teacher declares 192 channels, and its features have 256.
            {**MOBILE, "kernel_size": [1, 3]},
            *(192, "PP-OCRv4__PP-OCRv4_mobile_rec_distillation", "Teacher."),
        ),
        ({**LIGHT, "dims": 120, "mlp_ratio": 2.0}, 384, "PP-OCRv6__PP-OCRv6_small_rec", ""),
        ({**LIGHT, "dims": 192, "mlp_ratio": 4.0}, 768, "PP-OCRv6__PP-OCRv6_medium_rec", ""),
    ],
)
def test_the_shipped_necks_names(
    options: dict[str, Any], in_channels: int, case: str, network: str
) -> None:
    neck = SequenceEncoder(in_channels, **options)
    prefix = f"{network}head.ctc_encoder."
    assert shapes_of(neck) == shapes_under(prefix, f"up2026__rec__{case}")


@pytest.mark.parametrize("network", ["Teacher", "Student"])
def test_pp_ocrv3_from_image_to_sequence(network: str) -> None:
    family = Family("rec_v3")
    section = family.network(network)
    backbone = BACKBONES.build(section["Backbone"], "Backbone", in_channels=3)
    neck = SequenceEncoder(backbone.out_channels, **encoder_of(section))
    family.fill(backbone, f"{network}.backbone.")
    family.fill(neck, f"{network}.head.ctc_encoder.")
    features = backbone(paddle.to_tensor(family.arrays["image"]))
    # With its average pool MobileNetV1Enhance has a step for every 8 px.
    assert features.shape[2:] == [1, 96 // 8]
    wanted = family.arrays[f"train/{network}/backbone_out"]
    assert relative_difference(features, wanted) < 1e-5
    sequence = neck(paddle.to_tensor(wanted))
    assert relative_difference(sequence, family.arrays[f"train/{network}/neck_out"]) < 1e-5


def test_the_student_s_neck_of_pp_ocrv4() -> None:
    family = Family("rec_v4")
    features = family.arrays["train/Student/backbone_out"]
    neck = SequenceEncoder(features.shape[1], **encoder_of(family.network("Student")))
    family.fill(neck, "Student.head.ctc_encoder.")
    sequence = neck(paddle.to_tensor(features))
    assert relative_difference(sequence, family.arrays["train/Student/neck_out"]) < 1e-5


def test_the_light_encoder_is_its_parts() -> None:
    neck = SequenceEncoder(6, encoder_type="lightsvtr", dims=8, depth=1, num_heads=2)
    neck.eval()
    encoder = neck.encoder
    x = paddle.randn([2, 6, 1, 9])
    reduced = encoder.conv_reduce(x)
    reduced = reduced + encoder.local_conv(reduced)
    attended = encoder.svtr_block[0](reduced.squeeze(2).transpose([0, 2, 1]), 1)
    wanted = encoder.norm(attended) + encoder.skip_conv(x).squeeze(2).transpose([0, 2, 1])
    assert paddle.allclose(neck(x), wanted, atol=1e-6)


@pytest.mark.parametrize("encoder_type", ["svtr", "lightsvtr"])
@pytest.mark.parametrize("use_guide", [True, False])
def test_a_guided_neck_stops_the_gradient_and_learns_itself(
    encoder_type: Any, use_guide: bool
) -> None:
    neck = SequenceEncoder(16, encoder_type=encoder_type, dims=8, use_guide=use_guide)
    x = paddle.randn([2, 16, 1, 5])
    x.stop_gradient = False
    neck(x).square().sum().backward()
    assert (x.grad is None) == use_guide
    assert all(parameter.grad is not None for parameter in neck.parameters() if _learns(parameter))
    assert not x.stop_gradient


def _learns(parameter: paddle.Tensor) -> bool:
    return not parameter.stop_gradient
