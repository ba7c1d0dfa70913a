"""PPHGNet computes what PaddleOCR's does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import ConfigError
from tests.training.backbones.computed import (
    COMPUTED,
    assert_computes,
    assert_trains,
    build,
    images,
    learning,
    num_values,
    shapes,
    shipped_shapes,
)

SHIPPED = COMPUTED["pphgnet_shipped"]["options"]
SMALL = COMPUTED["pphgnet"]["options"]


@pytest.mark.parametrize(
    "config", ["PP-OCRv4__PP-OCRv4_server_rec", "PP-OCRv4__PP-OCRv4_server_rec_doc"]
)
def test_every_name_and_shape_is_paddleocr_s(config: str) -> None:
    assert shapes(build(SHIPPED)) == shipped_shapes(config)


def test_the_shipped_size() -> None:
    backbone = build(SHIPPED)
    assert backbone.out_channels == 1024
    assert len(shapes(backbone)) == 220
    assert num_values(backbone) == 20_237_376
    assert_trains(backbone, COMPUTED["pphgnet_shipped"]["train"])


def test_outputs_gradients_and_statistics() -> None:
    assert_computes(build(SMALL), COMPUTED["pphgnet"])


def test_time_steps_of_the_shipped_strides() -> None:
    small = {f"stage{i + 1}": [8, 8, 8, 1, True, [2 - i % 2, 1 + i % 2]] for i in range(3)}
    small["stage2"][-1], small["stage3"][-1] = [1, 2], [2, 1]
    backbone = build(SMALL | {"stage_config": small | {"stage4": [8, 8, 8, 1, True, [2, 1]]}})
    assert backbone(images(64)).shape == [2, 8, 1, 40]
    backbone.eval()
    assert backbone(images(64)).shape == [2, 8, 1, 8]


def test_learning_rates_weight_decay_and_start() -> None:
    paddle.seed(1)
    backbone = build(SHIPPED)
    for name, (rate, decay) in learning(backbone).items():
        assert (rate, decay) == (1.0, 0.0 if ".bn." in name else None), name
    block = backbone.stages[3].blocks[0]
    for conv, fan_in in ((block.layers[1].conv, 224 * 9), (block.att.conv, 1024)):
        deviation = float(np.std(conv.weight.numpy()))
        assert deviation == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
    assert not block.att.conv.bias.numpy().any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"det": True}, "Backbone.det: expected False, got True"),
        ({"stem_channels": [8, 8]}, "stem_channels: expected a list of 3 values"),
        ({"stem_channels": [8, 8, 4]}, "stage1: expected in_channels 4, .* got 8"),
        ({"text_rec": True}, "unknown option of PPHGNet_small"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(SMALL | options)
