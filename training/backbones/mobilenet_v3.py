"""MobileNetV3: for text lines, whose width it hardly shrinks, and with features at four scales."""

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


@dataclass(frozen=True)
class _Size:
    """A model size.

    Args:
        units: in a row.
        shrinking: indices of the units that may have strides.
        last_channels: of the convolution behind the units, before scaling.
    """

    units: tuple[_Unit, ...]
    shrinking: tuple[int, ...]
    last_channels: int


_SIZES = {
    "large": _Size(
        (
            _Unit(3, 16, 16, False, "relu"),
            _Unit(3, 64, 24, False, "relu"),
            _Unit(3, 72, 24, False, "relu"),
            _Unit(5, 72, 40, True, "relu"),
            _Unit(5, 120, 40, True, "relu"),
            _Unit(5, 120, 40, True, "relu"),
            _Unit(3, 240, 80, False, "hardswish"),
            _Unit(3, 200, 80, False, "hardswish"),
            _Unit(3, 184, 80, False, "hardswish"),
            _Unit(3, 184, 80, False, "hardswish"),
            _Unit(3, 480, 112, True, "hardswish"),
            _Unit(3, 672, 112, True, "hardswish"),
            _Unit(5, 672, 160, True, "hardswish"),
            _Unit(5, 960, 160, True, "hardswish"),
            _Unit(5, 960, 160, True, "hardswish"),
        ),
        (0, 1, 3, 12),
        960,
    ),
    "small": _Size(
        (
            _Unit(3, 16, 16, True, "relu"),
            _Unit(3, 72, 24, False, "relu"),
            _Unit(3, 88, 24, False, "relu"),
            _Unit(5, 96, 40, True, "hardswish"),
            _Unit(5, 240, 40, True, "hardswish"),
            _Unit(5, 240, 40, True, "hardswish"),
            _Unit(5, 120, 48, True, "hardswish"),
            _Unit(5, 144, 48, True, "hardswish"),
            _Unit(5, 288, 96, True, "hardswish"),
            _Unit(5, 576, 96, True, "hardswish"),
            _Unit(5, 576, 96, True, "hardswish"),
        ),
        (0, 1, 3, 8),
        576,
    ),
}
_HALVING = {"large": (1, 3, 6, 12), "small": (0, 1, 3, 8)}
"""Units that halve both sides where features are taken at four scales."""


class InvertedResidual(nn.Layer):
    """Expand, depthwise, optional squeeze-excitation, project, add when shapes allow."""

    def __init__(
        self, in_channels: int, unit: _Unit, stride: Stride, scale: float, has_gates: bool
    ) -> None:
        super().__init__()
        expanded = round_channels(scale * unit.expanded_channels, 8)
        self.out_channels = round_channels(scale * unit.out_channels, 8)
        self.expand_conv = ConvBN(in_channels, expanded, 1, activation=unit.activation)
        self.bottleneck_conv = ConvBN(
            expanded, expanded, unit.kernel_size, stride, expanded, unit.activation
        )
        self.mid_se = SqueezeExcitation(expanded, slope=0.2) if has_gates else None
        self.linear_conv = ConvBN(expanded, self.out_channels, 1)
        self.has_shortcut = stride == 1 and in_channels == self.out_channels

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
        check_scale(scale)
        size = _SIZES[model_name]
        if model_name == "large":
            first, *others = large_stride or (1, 2, 2, 2)
            strides: list[Stride] = [first, *[(stride, 1) for stride in others]]
        else:
            strides = [(stride, 1) for stride in small_stride or (2, 2, 2, 2)]
        stride_of = dict(zip(size.shrinking, strides, strict=True))

        channels = round_channels(_INPUT_CHANNELS * scale, 8)
        self.conv1 = ConvBN(in_channels, channels, 3, stride=2, activation="hardswish")
        blocks = []
        for index, unit in enumerate(size.units):
            has_gates = unit.has_squeeze_excitation and not disable_se
            stride = stride_of.get(index, 1)
            blocks.append(InvertedResidual(channels, unit, stride, scale, has_gates))
            channels = blocks[-1].out_channels
        self.blocks = nn.Sequential(*blocks)
        self.out_channels = round_channels(scale * size.last_channels, 8)
        self.conv2 = ConvBN(channels, self.out_channels, 1, activation="hardswish")
        self.pool = nn.MaxPool2D(2)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a scale for which PaddleOCR has no channel counts."""
        return problems_of_scale(options)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, 1, W / 4] for H = 32."""
        return self.pool(self.conv2(self.blocks(self.conv1(x))))


class MobileNetV3MultiScale(nn.Layer):
    """MobileNetV3 whose output is the features of four stages.

    Args:
        in_channels: C of the image, 3.
        model_name: `large` or `small`.
        scale: multiplies channel counts; one of `SCALES`.
        disable_se: leave squeeze-excitation out.

    Raises:
        ConfigError: on another scale.

    Source: Howard et al. 2019 (arXiv:1905.02244); PaddleOCR `det_mobilenet_v3`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        model_name: Literal["large", "small"] = "large",
        scale: float = 0.5,
        disable_se: bool = False,
    ) -> None:
        super().__init__()
        check_scale(scale)
        size, halving = _SIZES[model_name], _HALVING[model_name]
        channels = round_channels(_INPUT_CHANNELS * scale, 8)
        self.conv = ConvBN(in_channels, channels, 3, stride=2, activation="hardswish")
        # Each unit that halves begins a stage, but for the first one, which belongs to the stem.
        stages: list[list[nn.Layer]] = [[]]
        self.out_channels = []
        for index, unit in enumerate(size.units):
            if index in halving[1:]:
                self.out_channels.append(channels)
                stages.append([])
            has_gates = unit.has_squeeze_excitation and not disable_se
            stride = 2 if index in halving else 1
            block = InvertedResidual(channels, unit, stride, scale, has_gates)
            stages[-1].append(block)
            channels = block.out_channels
        self.out_channels.append(round_channels(scale * size.last_channels, 8))
        stages[-1].append(ConvBN(channels, self.out_channels[-1], 1, activation="hardswish"))
        self.stage_names = [f"stage{index}" for index in range(len(stages))]
        for name, layers in zip(self.stage_names, stages, strict=True):
            self.add_sublayer(name, nn.Sequential(*layers))

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a scale for which PaddleOCR has no channel counts."""
        return problems_of_scale(options)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        """Map float32 [N, 3, H, W] to features at strides 4, 8, 16 and 32."""
        x = self.conv(x)
        features = []
        for name in self.stage_names:
            x = getattr(self, name)(x)
            features.append(x)
        return tuple(features)


def problems_of_scale(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Report a scale for which PaddleOCR has no channel counts, as key and message."""
    scale = options.get("scale", SCALES[1])
    if scale in SCALES:
        return []
    return [("scale", f"expected one of {', '.join(map(str, SCALES))}, got {scale}")]


def check_scale(scale: float) -> None:
    """Refuse a scale for which PaddleOCR has no channel counts; raises ConfigError."""
    for key, message in problems_of_scale({"scale": scale}):
        raise ConfigError(f"MobileNetV3.{key}: {message}")
