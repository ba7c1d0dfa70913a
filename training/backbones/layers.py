"""Layers that several backbones share, with PaddleOCR's initialisation and arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F
from paddle.regularizer import L2Decay

from training.kernels import (
    DenseConv2D,
    DepthwiseConv2D,
    PointwiseConv2D,
    channel_means,
    normalise,
    scale_channels,
)

GATE_SLOPE = 0.1666667
"""paddle's default slope of the hard-sigmoid, which is not quite 1/6."""


def round_channels(channels: float, divisor: int) -> int:
    """Return the nearest multiple of `divisor` that loses at most a tenth (Howard et al. 2019)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def build_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int | Sequence[int] = 1,
    groups: int = 1,
    weight_attr: ParamAttr | None = None,
) -> nn.Conv2D:
    """Build a convolution without bias whose padding keeps the size at stride 1.

    The padding of an even kernel is one larger below and on the right.
    """
    before, after = (kernel_size - 1) // 2, kernel_size // 2
    kind = DenseConv2D if groups == 1 else nn.Conv2D
    if groups > 1 and groups == in_channels == out_channels:
        kind = DepthwiseConv2D
    elif kernel_size == 1 and groups == 1:
        kind = PointwiseConv2D
    return kind(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride if isinstance(stride, int) else list(stride),
        padding=before if before == after else [before, after, before, after],
        groups=groups,
        weight_attr=weight_attr,
        bias_attr=False,
    )


def uniform_attr(fan_in: int, l2_decay: float) -> ParamAttr:
    """Describe a weight drawn evenly from ±1/sqrt(fan_in), with a weight decay of its own."""
    bound = 1.0 / math.sqrt(fan_in)
    return ParamAttr(
        regularizer=L2Decay(l2_decay), initializer=nn.initializer.Uniform(-bound, bound)
    )


class ConvBN(nn.Layer):
    """Convolution and BatchNorm, then `relu`, `hardswish` or nothing.

    Args:
        in_channels, out_channels, kernel_size, stride, groups: of the convolution, which has no
            bias and keeps the size at stride 1.
        activation: behind BatchNorm.
        weight_attr: how the kernel is initialised, decayed and how fast it learns.
        norm_attr: the same for both parameters of BatchNorm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Literal["relu", "hardswish"] | None = None,
        weight_attr: ParamAttr | None = None,
        norm_attr: ParamAttr | None = None,
    ) -> None:
        super().__init__()
        self.conv = build_conv(in_channels, out_channels, kernel_size, stride, groups, weight_attr)
        self.bn = nn.BatchNorm2D(out_channels, weight_attr=norm_attr, bias_attr=norm_attr)
        self.activation = activation

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        return normalise(self.conv(x), self.bn, self.activation)


def build_conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int | Sequence[int] = 1,
    groups: int = 1,
    activation: Literal["relu", "hardswish"] | None = None,
    learning_rate: float = 1.0,
) -> ConvBN:
    """Build a convolution that starts as Kaiming's and a BatchNorm without weight decay.

    Args:
        in_channels, out_channels, kernel_size, stride, groups, activation: as `ConvBN` takes them.
        learning_rate: factor of the learning rate of both.
    """
    kaiming = nn.initializer.KaimingNormal()
    return ConvBN(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        groups,
        activation,
        weight_attr=ParamAttr(initializer=kaiming, learning_rate=learning_rate),
        norm_attr=ParamAttr(regularizer=L2Decay(0.0), learning_rate=learning_rate),
    )


class SqueezeExcitation(nn.Layer):
    """Channel gates from the global average (Hu et al. 2018), hard-sigmoid as MobileNetV3.

    Args:
        channels: C.
        slope: slope of the hard-sigmoid, `GATE_SLOPE` in most backbones, 0.2 in MobileNetV3.
        learning_rate: factor of the learning rate.
    """

    def __init__(self, channels: int, slope: float, learning_rate: float = 1.0) -> None:
        super().__init__()
        attr = ParamAttr(learning_rate=learning_rate)
        self.conv1 = nn.Conv2D(channels, channels // 4, 1, weight_attr=attr, bias_attr=attr)
        self.conv2 = nn.Conv2D(channels // 4, channels, 1, weight_attr=attr, bias_attr=attr)
        self.slope = slope

    def averages(self, x: paddle.Tensor) -> paddle.Tensor:
        """Return the mean of every channel: float32 [N, C, H, W] to [N, C, 1, 1]."""
        return F.adaptive_avg_pool2d(x, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Scale each channel by its gate: float32 [N, C, H, W] to the same shape."""
        means = channel_means(x) if self.training else None
        gates = F.relu(self.conv1(self.averages(x) if means is None else means))
        gates = F.hardsigmoid(self.conv2(gates), slope=self.slope, offset=0.5)
        return x * gates if means is None else scale_channels(x, gates)
