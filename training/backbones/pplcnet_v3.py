"""PPLCNetV3, the backbone of PP-OCRv4 and PP-OCRv5 mobile networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import paddle
from paddle import nn

from runtime.errors import ConfigError
from training.backbones.layers import (
    GATE_SLOPE,
    SqueezeExcitation,
    build_conv_bn,
    round_channels,
)
from training.backbones.pooling import PoolToRow
from training.backbones.pplcnet_v3_layers import LearnableRepLayer, Stride

_CHANNEL_DIVISOR = 16
_STEM_CHANNELS = 16
Six = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class _Block:
    """One depthwise-separable block; channels before scaling."""

    kernel_size: int
    in_channels: int
    out_channels: int
    stride: Stride = 1
    has_gates: bool = False


_Table = Mapping[str, tuple[_Block, ...]]
"""Blocks of each stage, by its name in a checkpoint."""
_ROW: _Table = {
    "blocks2": (_Block(3, 16, 32),),
    "blocks3": (_Block(3, 32, 64), _Block(3, 64, 64)),
    "blocks4": (_Block(3, 64, 128, (2, 1)), _Block(3, 128, 128)),
    "blocks5": (_Block(3, 128, 256, (1, 2)), *[_Block(5, 256, 256)] * 4),
    "blocks6": (
        _Block(5, 256, 512, (2, 1), has_gates=True),
        _Block(5, 512, 512, has_gates=True),
        _Block(5, 512, 512, (2, 1)),
        _Block(5, 512, 512),
    ),
}
_MULTI_SCALE: _Table = {
    "blocks2": (_Block(3, 16, 32),),
    "blocks3": (_Block(3, 32, 64, 2), _Block(3, 64, 64)),
    "blocks4": (_Block(3, 64, 128, 2), _Block(3, 128, 128)),
    "blocks5": (_Block(3, 128, 256, 2), *[_Block(5, 256, 256)] * 4),
    "blocks6": (
        _Block(5, 256, 512, 2, has_gates=True),
        _Block(5, 512, 512, has_gates=True),
        _Block(5, 512, 512),
        _Block(5, 512, 512),
    ),
}
_PROJECTED_CHANNELS = {"blocks3": 16, "blocks4": 24, "blocks5": 56, "blocks6": 480}
"""Of the features of each stage that are given out at several scales, before scaling."""


class LCNetV3Block(nn.Layer):
    """Depthwise layer, optional squeeze-excitation, pointwise layer, each of branches."""

    def __init__(
        self, block: _Block, scale: float, num_branches: int, learning_rate: float, lab_lr: float
    ) -> None:
        super().__init__()
        in_channels = _scaled(block.in_channels, scale)
        out_channels = _scaled(block.out_channels, scale)
        layer = partial(
            LearnableRepLayer,
            num_branches=num_branches,
            learning_rate=learning_rate,
            lab_lr=lab_lr,
        )
        self.dw_conv = layer(in_channels, in_channels, block.kernel_size, block.stride, in_channels)
        self.se = None
        if block.has_gates:
            self.se = SqueezeExcitation(in_channels, GATE_SLOPE, learning_rate)
        self.pw_conv = layer(in_channels, out_channels, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C', H', W']."""
        x = self.dw_conv(x)
        if self.se is not None:
            x = self.se(x)
        return self.pw_conv(x)


class _Stages(nn.Layer):
    """The stem and the stages of a table.

    Args:
        table: the stages.
        in_channels, scale, conv_kxk_num, lr_mult_list, lab_lr: as `PPLCNetV3` takes them.

    Raises:
        ConfigError: on fewer than one convolution.
    """

    def __init__(
        self,
        table: _Table,
        in_channels: int,
        scale: float,
        conv_kxk_num: int,
        lr_mult_list: Six,
        lab_lr: float,
    ) -> None:
        super().__init__()
        for key, message in self.problems_of({"conv_kxk_num": conv_kxk_num}):
            raise ConfigError(f"PPLCNetV3.{key}: {message}")
        stem_rate, *stage_rates = lr_mult_list
        stem_channels = _scaled(_STEM_CHANNELS, scale)
        self.conv1 = build_conv_bn(in_channels, stem_channels, 3, 2, learning_rate=stem_rate)
        self.stage_channels: dict[str, int] = {}
        for (name, blocks), rate in zip(table.items(), stage_rates, strict=True):
            layers = [LCNetV3Block(block, scale, conv_kxk_num, rate, lab_lr) for block in blocks]
            self.add_sublayer(name, nn.Sequential(*layers))
            self.stage_channels[name] = _scaled(blocks[-1].out_channels, scale)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a layer without a convolution of its full kernel."""
        number = options.get("conv_kxk_num", 1)
        return [] if number >= 1 else [("conv_kxk_num", f"expected at least 1, got {number}")]

    def features(self, x: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """Map float32 [N, C, H, W] to the output of every stage by its name."""
        features = {}
        x = self.conv1(x)
        for name in self.stage_channels:
            x = features[name] = getattr(self, name)(x)
        return features


class PPLCNetV3(_Stages):
    """PPLCNetV3 for text lines: strides shrink the height to a 16th and the width to a quarter.

    Args:
        in_channels: C of the image, 3.
        scale: multiplies every channel count, which is then rounded to a multiple of 16.
        conv_kxk_num: convolutions of the full kernel in each layer of branches, at least 1.
        lr_mult_list: factors of the learning rate of the stem and of the five stages.
        lab_lr: a further factor for every `lab`.
        det: the form with features at several scales, which is `PPLCNetV3MultiScale`.

    Raises:
        ConfigError: on fewer than one convolution.

    Source: PaddleOCR `rec_lcnetv3`; PP-OCRv4.
    """

    def __init__(
        self,
        in_channels: int = 3,
        scale: float = 1.0,
        conv_kxk_num: int = 4,
        lr_mult_list: Six = (1.0,) * 6,
        lab_lr: float = 0.1,
        det: Literal[False] = False,
    ) -> None:
        super().__init__(_ROW, in_channels, scale, conv_kxk_num, lr_mult_list, lab_lr)
        self.pool = PoolToRow()
        self.out_channels = self.stage_channels["blocks6"]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, 1, T], see `PoolToRow`."""
        return self.pool(self.features(x)["blocks6"])


class PPLCNetV3MultiScale(_Stages):
    """PPLCNetV3 whose output is the features of four stages, fewer channels of each.

    Args:
        in_channels, scale, conv_kxk_num, lr_mult_list, lab_lr: as `PPLCNetV3` takes them.
        det: this form, which a config has to name.

    Raises:
        ConfigError: on fewer than one convolution.

    Source: PaddleOCR `rec_lcnetv3` with `det`; PP-OCRv4.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        det: Literal[True],
        scale: float = 1.0,
        conv_kxk_num: int = 4,
        lr_mult_list: Six = (1.0,) * 6,
        lab_lr: float = 0.1,
    ) -> None:
        super().__init__(_MULTI_SCALE, in_channels, scale, conv_kxk_num, lr_mult_list, lab_lr)
        # Rounded down, to any number: PaddleOCR rounds these to no multiple.
        self.out_channels = [int(channels * scale) for channels in _PROJECTED_CHANNELS.values()]
        self.layer_list = nn.LayerList(
            [
                nn.Conv2D(self.stage_channels[name], channels, 1)
                for name, channels in zip(_PROJECTED_CHANNELS, self.out_channels, strict=True)
            ]
        )

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        """Map float32 [N, 3, H, W] to features at strides 4, 8, 16 and 32."""
        features = self.features(x)
        return tuple(
            project(features[name])
            for name, project in zip(_PROJECTED_CHANNELS, self.layer_list, strict=True)
        )


def _scaled(channels: int, scale: float) -> int:
    return round_channels(channels * scale, _CHANNEL_DIVISOR)
