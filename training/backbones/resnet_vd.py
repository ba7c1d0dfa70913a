"""ResNet-D with features at four scales, the backbone of PaddleOCR's detection teachers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.backbones.layers import build_conv

_STEM = (32, 32, 64)
_CHANNELS = (64, 128, 256, 512)
_BOTTLENECK_EXPANSION = 4


@dataclass(frozen=True)
class _Depth:
    """Blocks of each stage, and whether they are bottlenecks."""

    num_blocks: tuple[int, int, int, int]
    has_bottlenecks: bool = True


_DEPTHS = {
    18: _Depth((2, 2, 2, 2), has_bottlenecks=False),
    34: _Depth((3, 4, 6, 3), has_bottlenecks=False),
    50: _Depth((3, 4, 6, 3)),
    101: _Depth((3, 4, 23, 3)),
    152: _Depth((3, 8, 36, 3)),
    200: _Depth((3, 12, 48, 3)),
}
"""By the option `layers`."""


class ConvBN(nn.Layer):
    """Average pooling where it halves the shortcut, convolution, BatchNorm, ReLU where wanted.

    Args:
        in_channels, out_channels, kernel_size, stride: of the convolution, which has no bias.
        is_activated: end with ReLU.
        is_pooled: begin with the average of 2x2 pixels, the odd last row and column by themselves.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        is_activated: bool = True,
        is_pooled: bool = False,
    ) -> None:
        super().__init__()
        self._conv = build_conv(in_channels, out_channels, kernel_size, stride)
        self._batch_norm = nn.BatchNorm2D(out_channels)
        self.is_activated = is_activated
        self.is_pooled = is_pooled

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        if self.is_pooled:
            x = F.avg_pool2d(x, 2, 2, ceil_mode=True)
        x = self._batch_norm(self._conv(x))
        return F.relu(x) if self.is_activated else x


class ResidualBlock(nn.Layer):
    """Two or three convolutions beside a shortcut, added before the last ReLU.

    Args:
        in_channels: C.
        channels: of the convolutions; a bottleneck's last one has four times as many.
        stride: of the 3x3 convolution that shrinks.
        is_bottleneck: 1x1, 3x3, 1x1 instead of 3x3, 3x3.
        shortcut: the input itself, a convolution of it, or one of its 2x2 averages.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        is_bottleneck: bool,
        shortcut: Literal["identity", "conv", "pooled"],
    ) -> None:
        super().__init__()
        if is_bottleneck:
            self.out_channels = channels * _BOTTLENECK_EXPANSION
            sizes = [(channels, 1, 1), (channels, 3, stride), (self.out_channels, 1, 1)]
        else:
            self.out_channels = channels
            sizes = [(channels, 3, stride), (channels, 3, 1)]
        self.num_convs = len(sizes)
        inputs = in_channels
        for index, (outputs, kernel_size, conv_stride) in enumerate(sizes):
            is_last = index == self.num_convs - 1
            conv = ConvBN(inputs, outputs, kernel_size, conv_stride, is_activated=not is_last)
            self.add_sublayer(f"conv{index}", conv)
            inputs = outputs
        self.short = None
        if shortcut != "identity":
            self.short = ConvBN(
                in_channels,
                self.out_channels,
                1,
                is_activated=False,
                is_pooled=shortcut == "pooled",
            )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        y = x
        for index in range(self.num_convs):
            y = getattr(self, f"conv{index}")(y)
        short = x if self.short is None else self.short(x)
        return F.relu(short + y)


class ResNetVd(nn.Layer):
    """ResNet-D whose output is the features of its four stages.

    Args:
        in_channels: C of the image, 3.
        layers: how deep.

    Source: He et al. 2019, Bag of Tricks (arXiv:1812.01187); PaddleOCR `det_resnet_vd`.
    """

    def __init__(
        self, in_channels: int = 3, layers: Literal[18, 34, 50, 101, 152, 200] = 50
    ) -> None:
        super().__init__()
        depth = _DEPTHS[layers]
        inputs, stride = in_channels, 2
        self.stem_names = [f"conv1_{number}" for number in (1, 2, 3)]
        for name, channels in zip(self.stem_names, _STEM, strict=True):
            self.add_sublayer(name, ConvBN(inputs, channels, 3, stride))
            inputs, stride = channels, 1
        self.pool2d_max = nn.MaxPool2D(kernel_size=3, stride=2, padding=1)
        self.out_channels: list[int] = []
        self.stages: list[list[str]] = []
        for stage, (channels, num_blocks) in enumerate(
            zip(_CHANNELS, depth.num_blocks, strict=True)
        ):
            names = [f"bb_{stage}_{index}" for index in range(num_blocks)]
            for index, name in enumerate(names):
                shortcut: Literal["identity", "conv", "pooled"] = "identity"
                if index == 0:
                    shortcut = "pooled" if stage else "conv"
                block = ResidualBlock(
                    inputs,
                    channels,
                    2 if shortcut == "pooled" else 1,
                    depth.has_bottlenecks,
                    shortcut,
                )
                self.add_sublayer(name, block)
                inputs = block.out_channels
            self.stages.append(names)
            self.out_channels.append(inputs)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        """Map float32 [N, 3, H, W] to features at strides 4, 8, 16 and 32."""
        for name in self.stem_names:
            x = getattr(self, name)(x)
        x = self.pool2d_max(x)
        features = []
        for names in self.stages:
            for name in names:
                x = getattr(self, name)(x)
            features.append(x)
        return tuple(features)
