"""MobileNetV3 has PaddleOCR's names, channel counts and strides."""

from __future__ import annotations

import paddle
import pytest

from runtime.errors import ConfigError
from training.backbones.mobilenet_v3 import SCALES, MobileNetV3
from training.recognition.backbones import BACKBONES

NUM_BLOCKS = {"large": 15, "small": 11}
GATED = {"large": {3, 4, 5, 10, 11, 12, 13, 14}, "small": {0, 3, 4, 5, 6, 7, 8, 9, 10}}
OUT_CHANNELS = {
    "large": dict(zip(SCALES, (336, 480, 720, 960, 1200), strict=True)),
    "small": dict(zip(SCALES, (200, 288, 432, 576, 720), strict=True)),
}
CONV_BN = ("conv.weight", "bn.weight", "bn.bias", "bn._mean", "bn._variance")


def paddleocr_names(model_name: str, disable_se: bool) -> set[str]:
    """Names as PaddleOCR's `rec_mobilenet_v3` gives them."""
    names = {f"{layer}.{part}" for layer in ("conv1", "conv2") for part in CONV_BN}
    for block in range(NUM_BLOCKS[model_name]):
        for layer in ("expand_conv", "bottleneck_conv", "linear_conv"):
            names |= {f"blocks.{block}.{layer}.{part}" for part in CONV_BN}
        if block in GATED[model_name] and not disable_se:
            for layer in ("conv1", "conv2"):
                names |= {f"blocks.{block}.mid_se.{layer}.{one}" for one in ("weight", "bias")}
    return names


@pytest.mark.parametrize("disable_se", [False, True])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("model_name", ["large", "small"])
def test_names_and_output(model_name: str, scale: float, disable_se: bool) -> None:
    section = {"name": "MobileNetV3", "model_name": model_name, "scale": scale}
    section |= {"small_stride": [1, 2, 2, 2], "disable_se": disable_se}
    backbone = BACKBONES.build(section, "Backbone", in_channels=3)
    backbone.eval()
    assert set(backbone.state_dict()) == paddleocr_names(model_name, disable_se)
    with paddle.no_grad():
        features = backbone(paddle.zeros([1, 3, 32, 40]))
    channels = OUT_CHANNELS[model_name][scale]
    assert features.shape == [1, channels, 1, 10]
    assert backbone.out_channels == channels


def test_channel_counts_are_multiples_of_8_that_lose_at_most_a_tenth() -> None:
    # 0.35 * 72 = 25.2 and 0.35 * 88 = 30.8: rounding to 24 loses a little, 32 is nearest.
    state = MobileNetV3(model_name="small", scale=0.35).state_dict()
    assert state["blocks.1.expand_conv.conv.weight"].shape[0] == 24
    assert state["blocks.2.expand_conv.conv.weight"].shape[0] == 32
    assert state["conv1.conv.weight"].shape[0] == 8
    assert state["blocks.3.mid_se.conv1.weight"].shape[0] == 32 // 4


def test_strides_shrink_the_height_and_only_the_large_model_s_first_the_width() -> None:
    def shape(strides: tuple[int, int, int, int]) -> list[int]:
        backbone = MobileNetV3(model_name="large", scale=0.35, large_stride=strides)
        backbone.eval()
        with paddle.no_grad():
            return list(backbone(paddle.zeros([1, 3, 64, 64])).shape[2:])

    assert shape((1, 2, 2, 2)) == [2, 16]
    assert shape((2, 2, 2, 2)) == [1, 8]
    assert shape((1, 2, 2, 1)) == [4, 16]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0.4}, "Backbone.scale: expected one of 0.35, 0.5, 0.75, 1.0, 1.25, got 0.4"),
        ({"small_stride": [1, 2, 2]}, "small_stride: expected a list of 4 values or nothing"),
        ({"large_stride": [1, 2, 2, "2"]}, "large_stride: expected"),
        ({"model_name": "medium"}, "expected 'large' or 'small', got 'medium'"),
        ({"disable_SE": True}, "did you mean disable_se"),
    ],
)
def test_mistakes_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BACKBONES.build({"name": "MobileNetV3", **options}, "Backbone", in_channels=3)


def test_a_scale_is_checked_without_a_config_too() -> None:
    with pytest.raises(ConfigError, match="got 2"):
        MobileNetV3(scale=2.0)
