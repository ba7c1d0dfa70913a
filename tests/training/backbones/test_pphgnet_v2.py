"""PPHGNetV2 computes what PaddleOCR's does."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from runtime.errors import ConfigError
from tests.training.backbones.computed import (
    COMPUTED,
    Family,
    assert_computes,
    assert_kernels_agree,
    assert_trains,
    build,
    images,
    learning,
    num_values,
    shapes,
    shipped_shapes,
)
from training.backbones.pphgnet_v2 import StemBlock

SHIPPED = COMPUTED["pphgnet_v2_shipped"]["options"]
SMALL = COMPUTED["pphgnet_v2"]["options"]


def test_every_name_and_shape_is_paddleocr_s() -> None:
    assert shapes(build(SHIPPED)) == shipped_shapes("PP-OCRv5__PP-OCRv5_server_rec")


def test_the_shipped_size() -> None:
    backbone = build(SHIPPED)
    assert backbone.out_channels == 2048
    assert len(shapes(backbone)) == 408
    assert num_values(backbone) == 19_843_000
    assert_trains(backbone, COMPUTED["pphgnet_v2_shipped"]["train"])


def test_outputs_gradients_and_statistics() -> None:
    assert_computes(build(SMALL), COMPUTED["pphgnet_v2"])


def test_paddleocr_s_checkpoint() -> None:
    case = Family("rec_v5_server", "")
    assert case.assert_trains().shape == (3, 64, 1, 40)
    with paddle.no_grad():
        assert case.backbone(paddle.to_tensor(case.arrays["image"])).shape == [3, 64, 1, 12]
    without = {name for name, _ in case.backbone.named_parameters() if name[:2] in ("la", "fc")}
    wanted = case.expected["trainable_without_gradient"]
    assert {f"backbone.{name}" for name in without} == set(wanted)


def test_the_classifier_has_parameters_that_nothing_reads() -> None:
    backbone = build(SMALL)
    assert backbone.last_conv.weight.shape == [16, 64, 1, 1]
    assert backbone.fc.weight.shape == [16, 10]
    without = build(SMALL | {"use_last_conv": False})
    assert not hasattr(without, "last_conv") and without.fc.weight.shape == [64, 10]
    before = backbone(images())
    for layer in (backbone.last_conv, backbone.fc):
        layer.weight.set_value(paddle.zeros_like(layer.weight))
    assert paddle.equal_all(backbone(images()), before)


def test_the_stem_pads_below_and_on_the_right() -> None:
    stem = StemBlock(3, 4, 4, last_stride=2)
    stem.eval()
    x = paddle.randn([1, 3, 10, 14])
    y = stem.stem1(x)

    def padded(conv: Any, features: paddle.Tensor) -> paddle.Tensor:
        return F.relu(conv.bn(F.conv2d(F.pad(features, [0, 1, 0, 1]), conv.conv.weight)))

    pooled = F.max_pool2d(F.pad(y, [0, 1, 0, 1]), 2, 1)  # after ReLU zeros are the least
    both = paddle.concat([pooled, padded(stem.stem2b, padded(stem.stem2a, y))], axis=1)
    assert paddle.allclose(stem(x), stem.stem4(stem.stem3(both)), atol=1e-6)
    assert stem(x).shape == [1, 4, 3, 4]


def test_learning_rates_and_weight_decay() -> None:
    rates = {"stem": 0.5, "stages.0": 1.0, "stages.1": 1.5, "stages.2": 2.0, "stages.3": 2.5}
    backbone = build(SMALL | {"lr_mult_list": list(rates.values())})
    for name, (rate, decay) in learning(backbone).items():
        wanted = next((rates[start] for start in rates if name.startswith(start)), 1.0)
        assert rate == wanted, name
        assert decay == (0.0 if ".bn." in name else None), name


def test_convolutions_start_as_kaiming_s() -> None:
    paddle.seed(1)
    backbone = build(SHIPPED)
    for conv, fan_in in (
        (backbone.stages[0].blocks[0].layers[1].conv, 48 * 9),
        (backbone.stages[3].blocks[0].layers[0].conv2.conv, 25),
        (backbone.last_conv, 2048),
    ):
        deviation = float(np.std(conv.weight.numpy()))
        assert deviation == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
    assert not backbone.fc.bias.numpy().any()


def test_kernels_give_the_gradients_of_paddle_s_own_layers() -> None:
    assert_kernels_agree(build(SMALL))


def _changed(stage: str, place: int, value: Any) -> dict[str, Any]:
    table = copy.deepcopy(SMALL["stage_config"])
    table[stage][place] = value
    return {"stage_config": table}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_rec": False}, "Backbone.text_rec: expected True, got False"),
        ({"det": True}, "Backbone.det: expected False, got True"),
        ({"lr_mult_list": [1.0] * 6}, "lr_mult_list: expected a list of 5 values"),
        ({"stem_channels": [3, 8, 16]}, r"stage1: expected in_channels 16, .* got 8"),
        (_changed("stage2", 0, 17), r"stage2: expected in_channels 16, .* got 17"),
        (_changed("stage2", 2, 31), r"stage3: expected in_channels 31, .* got 32"),
        (_changed("stage4", 8, [2, 0]), r"stage4: expected \[in_channels, .*, stride\], got"),
        (_changed("stage4", 5, 1), r"stage4: expected \[in_channels, .*, stride\], got"),
        (_changed("stage1", 3, 0), r"stage1: expected \[in_channels, .*, stride\], got"),
        ({"stage_config": {"stage1": []}}, "expected stage1, stage2, stage3, stage4, got stage1"),
        ({"stage_config": {}}, "expected stage1, stage2, stage3, stage4, got none"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(SMALL | options)


def test_the_form_has_to_be_named() -> None:
    with pytest.raises(ConfigError, match="PPHGNetV2_B4 needs the option text_rec"):
        build({"name": "PPHGNetV2_B4"})
