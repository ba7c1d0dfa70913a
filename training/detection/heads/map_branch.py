"""The branch of a head that makes one map of features, four times their size."""

from __future__ import annotations

import math

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F

from training.backbones.layers import build_conv
from training.backbones.reparameterise import folded, merged_conv, merged_transposed, unfold
from training.kernels import DoublingConv2D, normalise

Kernels = tuple[int, int, int]
"""Sides of a branch's three kernels, pixels."""
KERNELS: Kernels = (3, 2, 2)
_INITIAL_SHIFT = 1e-4


class MapBranch(nn.Layer):
    """Convolution and two transposed ones that double the size, then sigmoid.

    Args:
        in_channels: C; a quarter of them inside.
        kernel_list: sides of the three kernels.
        fix_nan: in training replace what is not a number by 0 behind each BatchNorm.

    Source: PaddleOCR `det_db_head.Head`.
    """

    def __init__(
        self, in_channels: int, kernel_list: Kernels = KERNELS, fix_nan: bool = False
    ) -> None:
        super().__init__()
        channels = in_channels // 4
        self.conv1 = build_conv(in_channels, channels, kernel_list[0])
        self.conv_bn1 = _build_norm(channels)
        self.conv2 = _build_doubling(channels, channels, kernel_list[1])
        self.conv_bn2 = _build_norm(channels)
        self.conv3 = _build_doubling(channels, 1, kernel_list[2])
        self.fix_nan = fix_nan

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to values 0 .. 1, float32 [N, 1, 4 H, 4 W]."""
        return self.map_of(self.features(x))

    def features(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to what the map is made of, float32 [N, C / 4, 2 H, 2 W]."""
        x = self._activated(self.conv1(x), self.conv_bn1)
        return self._activated(self.conv2(x), self.conv_bn2)

    def map_of(self, features: paddle.Tensor) -> paddle.Tensor:
        """Map what `features` gave to values 0 .. 1, float32 [N, 1, 4 H, 4 W]."""
        return F.sigmoid(self.conv3(features))

    def _activated(self, x: paddle.Tensor, norm: nn.Layer) -> paddle.Tensor:
        x = F.relu(x) if isinstance(norm, nn.Identity) else normalise(x, norm, "relu")
        if self.fix_nan and self.training and _has_nan(x):
            x = paddle.where(paddle.isnan(x), paddle.zeros_like(x), x)
        return x

    def reparameterise(self) -> None:
        """Merge each BatchNorm into the convolution before it, which has a bias then."""
        if isinstance(self.conv_bn1, nn.Identity):
            return
        self.conv1 = merged_conv(self.conv1, *folded(self.conv1, self.conv_bn1))
        self.conv2 = merged_transposed(
            self.conv2, *folded(self.conv2, self.conv_bn2, output_axis=1)
        )
        self.conv_bn1 = self.conv_bn2 = nn.Identity()

    def separate(self, merged: MapBranch) -> None:
        """Take what the merged layer computes."""
        unfold(self.conv1, self.conv_bn1, merged.conv1)
        unfold(self.conv2, self.conv_bn2, merged.conv2)


def _has_nan(x: paddle.Tensor) -> bool:
    """Tell whether anything behind BatchNorm in training is not a number: its channel is then."""
    return bool(paddle.isnan(x[:, :, 0, 0]).any())


def _build_norm(channels: int) -> nn.Layer:
    shift = ParamAttr(initializer=nn.initializer.Constant(_INITIAL_SHIFT))
    return nn.BatchNorm2D(channels, bias_attr=shift)


def _build_doubling(in_channels: int, out_channels: int, kernel_size: int) -> DoublingConv2D:
    bound = 1.0 / math.sqrt(in_channels)
    return DoublingConv2D(
        in_channels,
        out_channels,
        kernel_size,
        stride=2,
        weight_attr=ParamAttr(initializer=nn.initializer.KaimingUniform()),
        bias_attr=ParamAttr(initializer=nn.initializer.Uniform(-bound, bound)),
    )
