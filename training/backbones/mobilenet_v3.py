"""MobileNetV3 as PaddleOCR uses it for recognition: strides shrink the height, not the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import paddle
from paddle import nn

from runtime.errors import ConfigError
from training.backbones.layers import ConvBN, SqueezeExcitation, round_channels

SCALES = (0.35, 0.5, 0.75, 1.0, 1.25)
_INPUT_CHANNELS = 16
Stride = int | Sequence[int]


@dataclass(frozen=True)
class _Unit:
    """One inverted residual; channels before scaling."""

    kernel_size: int
    expanded_channels: int
    out_channels: int
    has_squeeze_excitation: bool
    activation: Literal["relu", "hardswish"]
    stride: Stride


def _large(stride: Sequence[int]) -> list[_Unit]:
    return [
        _Unit(3, 16, 16, False, "relu", stride[0]),
        _Unit(3, 64, 24, False, "relu", (stride[1], 1)),
        _Unit(3, 72, 24, False, "relu", 1),
        _Unit(5, 72, 40, True, "relu", (stride[2], 1)),
        _Unit(5, 120, 40, True, "relu", 1),
        _Unit(5, 120, 40, True, "relu", 1),
        _Unit(3, 240, 80, False, "hardswish", 1),
        _Unit(3, 200, 80, False, "hardswish", 1),
        _Unit(3, 184, 80, False, "hardswish", 1),
        _Unit(3, 184, 80, False, "hardswish", 1),
        _Unit(3, 480, 112, True, "hardswish", 1),
        _Unit(3, 672, 112, True, "hardswish", 1),
        _Unit(5, 672, 160, True, "hardswish", (stride[3], 1)),
        _Unit(5, 960, 160, True, "hardswish", 1),
        _Unit(5, 960, 160, True, "hardswish", 1),
    ]


def _small(stride: Sequence[int]) -> list[_Unit]:
    return [
        _Unit(3, 16, 16, True, "relu", (stride[0], 1)),
        _Unit(3, 72, 24, False, "relu", (stride[1], 1)),
        _Unit(3, 88, 24, False, "relu", 1),
        _Unit(5, 96, 40, True, "hardswish", (stride[2], 1)),
        _Unit(5, 240, 40, True, "hardswish", 1),
        _Unit(5, 240, 40, True, "hardswish", 1),
        _Unit(5, 120, 48, True, "hardswish", 1),
        _Unit(5, 144, 48, True, "hardswish", 1),
        _Unit(5, 288, 96, True, "hardswish", (stride[3], 1)),
        _Unit(5, 576, 96, True, "hardswish", 1),
        _Unit(5, 576, 96, True, "hardswish", 1),
    ]


class InvertedResidual(nn.Layer):
    """Expand, depthwise, optional squeeze-excitation, project, add when shapes allow."""

    def __init__(self, in_channels: int, unit: _Unit, scale: float, has_gates: bool) -> None:
        super().__init__()
        expanded = round_channels(scale * unit.expanded_channels, 8)
        self.out_channels = round_channels(scale * unit.out_channels, 8)
        self.expand_conv = ConvBN(in_channels, expanded, 1, activation=unit.activation)
        self.bottleneck_conv = ConvBN(
            expanded, expanded, unit.kernel_size, unit.stride, expanded, unit.activation
        )
        self.mid_se = SqueezeExcitation(expanded, slope=0.2) if has_gates else None
        self.linear_conv = ConvBN(expanded, self.out_channels, 1)
        self.has_shortcut = unit.stride == 1 and in_channels == self.out_channels

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        y = self.bottleneck_conv(self.expand_conv(x))
        if self.mid_se is not None:
            y = self.mid_se(y)
        y = self.linear_conv(y)
        return x + y if self.has_shortcut else y


class MobileNetV3(nn.Layer):
    """MobileNetV3 for text lines.

    Args:
        in_channels: C of the image, 3.
        model_name: `large` or `small`.
        scale: multiplies channel counts; one of `SCALES`.
        large_stride, small_stride: four strides; in width only the first one acts (large).
        disable_se: leave squeeze-excitation out.

    Raises:
        ConfigError: on another scale.

    Source: Howard et al. 2019 (arXiv:1905.02244); PaddleOCR `rec_mobilenet_v3`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        model_name: Literal["large", "small"] = "small",
        scale: float = 0.5,
        large_stride: tuple[int, int, int, int] | None = None,
        small_stride: tuple[int, int, int, int] | None = None,
        disable_se: bool = False,
    ) -> None:
        super().__init__()
        for key, message in self.problems_of({"scale": scale}):
            raise ConfigError(f"MobileNetV3.{key}: {message}")
        if model_name == "large":
            units = _large(large_stride or (1, 2, 2, 2))
        else:
            units = _small(small_stride or (2, 2, 2, 2))
        last_channels = round_channels(scale * (960 if model_name == "large" else 576), 8)

        channels = round_channels(_INPUT_CHANNELS * scale, 8)
        self.conv1 = ConvBN(in_channels, channels, 3, stride=2, activation="hardswish")
        blocks = []
        for unit in units:
            has_gates = unit.has_squeeze_excitation and not disable_se
            blocks.append(InvertedResidual(channels, unit, scale, has_gates))
            channels = blocks[-1].out_channels
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = ConvBN(channels, last_channels, 1, activation="hardswish")
        self.pool = nn.MaxPool2D(2)
        self.out_channels = last_channels

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a scale for which PaddleOCR has no channel counts."""
        scale = options.get("scale", SCALES[1])
        if scale in SCALES:
            return []
        return [("scale", f"expected one of {', '.join(map(str, SCALES))}, got {scale}")]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, 1, W / 4] for H = 32."""
        return self.pool(self.conv2(self.blocks(self.conv1(x))))
