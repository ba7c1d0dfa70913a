"""RepSVTR computes what PaddleOCR's does, under its names."""

from __future__ import annotations

import json

import paddle
import pytest

from runtime.errors import ConfigError
from tests.beside import paddleocr_numbers
from tests.training.backbones.recipe import Numbers, assert_computes
from training.backbones.rep_svtr import RepSVTR
from training.backbones.reparameterise import reparameterise
from training.recognition.backbones import BACKBONES

NUMBERS = Numbers(
    evaluated=[-2.1849616, 3.3907692, 2.2951026, -0.78327471, -0.4777402, -2.096302],
    trained=[0.45329809, 1.9231426, -1.6072969, 1.0622061, 1.1622471, 0.89499044],
    statistics={
        "features.0.0.bn._mean": 0.63581624,
        "features.4.token_mixer.0.bn._variance": 10.391618,
        "features.13.channel_mixer.m.2.bn._variance": 18.560192,
    },
    gradients={
        "features.0.0.c.weight": 3219.0271,
        "features.1.token_mixer.1.fc1.weight": 86.977318,
        "features.5.token_mixer.0.conv1.weight": 183.0473,
        "features.11.channel_mixer.m.0.bn.weight": 77.231506,
    },
    merged={
        "features.0.2.weight": 7.3891285,
        "features.1.token_mixer.0.weight": 16.148067,
        "features.1.token_mixer.0.bias": 2.5083514,
        "features.4.token_mixer.2.weight": 10.351576,
        "features.13.channel_mixer.m.2.bias": 2.823141,
    },
    num_merged=106,
)


def test_it_computes_what_paddleocr_s_does() -> None:
    assert_computes(RepSVTR(), NUMBERS)


def test_every_name_and_shape_is_paddleocr_s() -> None:
    path = paddleocr_numbers("keys_v3_to_v6", "up2026__rec__SVTRv2__ch_RepSVTR_rec.json")
    wanted = {
        name.removeprefix("backbone."): shape
        for name, shape in json.loads(path.read_text())["keys"].items()
        if name.startswith("backbone.")
    }
    state = RepSVTR().state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == wanted


@pytest.mark.parametrize(("width", "steps"), [(320, 40), (88, 11), (92, 11)])
def test_the_width_alone_decides_the_time_steps(width: int, steps: int) -> None:
    backbone = RepSVTR()
    for mode in ("train", "eval"):
        getattr(backbone, mode)()
        with paddle.no_grad():
            for height in (32, 48):
                features = backbone(paddle.zeros([1, 3, height, width]))
                assert features.shape == [1, backbone.out_channels, 1, steps]


def test_every_block_passes_its_input_through_at_the_start() -> None:
    backbone = RepSVTR()
    x = paddle.randn([1, 96, 6, 8])
    mixer = backbone.features[2].channel_mixer
    assert paddle.equal_all(mixer(x), x)


def test_no_branch_and_no_batch_norm_is_left() -> None:
    backbone = RepSVTR()
    backbone.eval()
    reparameterise(backbone)
    kinds = {type(layer) for layer in backbone.sublayers()}
    assert paddle.nn.BatchNorm2D not in kinds
    assert sum(tensor.size for tensor in backbone.state_dict().values()) == 3_216_168


def test_it_has_no_options() -> None:
    with pytest.raises(ConfigError, match="unknown option of RepSVTR 'scale'"):
        BACKBONES.build({"name": "RepSVTR", "scale": 0.5}, "Backbone", in_channels=3)
