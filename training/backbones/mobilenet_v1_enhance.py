"""MobileNetV1Enhance, the backbone of PP-OCRv2 recognition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import paddle
from paddle import ParamAttr, nn
from paddle.regularizer import L2Decay

from training.backbones.layers import GATE_SLOPE, SqueezeExcitation, build_conv
from training.kernels import BatchNormHardSwish, MaxPool2D

_RANDOM_SHARE = 0.3
"""Share of Kaiming's standard deviation that a near-identity start keeps."""


@dataclass(frozen=True)
class _Block:
    """One depthwise-separable block; channels before scaling."""

    in_channels: int
    out_channels: int
    stride: int | Sequence[int] = 1
    kernel_size: int = 3
    has_squeeze_excitation: bool = False


def _blocks(last_conv_stride: int | Sequence[int]) -> list[_Block]:
    halve_height = (2, 1)
    return [
        _Block(32, 64),
        _Block(64, 128),
        _Block(128, 128),
        _Block(128, 256, halve_height),
        _Block(256, 256),
        _Block(256, 512, halve_height),
        *[_Block(512, 512, kernel_size=5)] * 5,
        _Block(512, 1024, halve_height, kernel_size=5, has_squeeze_excitation=True),
        _Block(1024, 1024, last_conv_stride, kernel_size=5, has_squeeze_excitation=True),
    ]


class ConvBNHardSwish(nn.Layer):
    """Convolution, BatchNorm without weight decay, hard-swish."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self._conv = build_conv(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            groups,
            weight_attr=ParamAttr(initializer=nn.initializer.KaimingNormal()),
        )
        self._batch_norm = BatchNormHardSwish(
            out_channels,
            param_attr=ParamAttr(regularizer=L2Decay(0.0)),
            bias_attr=ParamAttr(regularizer=L2Decay(0.0)),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        return self._batch_norm(self._conv(x))


class DepthwiseSeparable(nn.Layer):
    """Depthwise convolution, optional squeeze-excitation, pointwise convolution."""

    def __init__(self, block: _Block, scale: float) -> None:
        super().__init__()
        in_channels = int(block.in_channels * scale)
        self._depthwise_conv = ConvBNHardSwish(
            in_channels, in_channels, block.kernel_size, block.stride, groups=in_channels
        )
        self._se = (
            SqueezeExcitation(in_channels, slope=GATE_SLOPE)
            if block.has_squeeze_excitation
            else None
        )
        self._pointwise_conv = ConvBNHardSwish(in_channels, int(block.out_channels * scale), 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C', H', W']."""
        x = self._depthwise_conv(x)
        if self._se is not None:
            x = self._se(x)
        return self._pointwise_conv(x)


def _move_to_identity(conv: nn.Conv2D) -> None:
    """Add a copy of the input to a convolution whose random part is shrunk.

    Output channels beyond the input's are its mirror image, so that nothing is lost to the
    activation (Balduzzi et al. 2017, arXiv:1702.08591, for shattered gradients and this remedy).
    """
    weight = _RANDOM_SHARE * conv.weight.numpy()
    out_channels, group_channels, height, width = weight.shape
    for channel in range(out_channels):
        is_copy = group_channels == 1 or channel < group_channels
        center = (channel, channel % group_channels, height // 2, width // 2)
        weight[center] += 1.0 if is_copy else -1.0
    conv.weight.set_value(weight)


class MobileNetV1Enhance(nn.Layer):
    """MobileNetV1 with 5x5 depthwise kernels and squeeze-excitation, for text lines.

    Args:
        in_channels: C of the image, 3.
        scale: multiplies every channel count.
        last_conv_stride: stride of the last block.
        last_pool_type: `max` pools 2x2; `avg` pools `last_pool_kernel_size`.
        last_pool_kernel_size: window (height, width) of the average pool.
        initialization: `kaiming` as PaddleOCR; `near_identity` starts every block close to
            passing its input through, which learns to read after a fraction of the steps when
            nothing is pretrained: 28 normalised layers without a shortcut scramble their input
            at random weights, and the gradient with it.

    Source: Du et al. 2021, PP-OCRv2 (arXiv:2109.03144); PaddleOCR `rec_mv1_enhance`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        scale: float = 0.5,
        last_conv_stride: int | tuple[int, int] = 1,
        last_pool_type: Literal["max", "avg"] = "max",
        last_pool_kernel_size: int | tuple[int, int] = (3, 2),
        initialization: Literal["kaiming", "near_identity"] = "kaiming",
    ) -> None:
        super().__init__()
        self.conv1 = ConvBNHardSwish(in_channels, int(32 * scale), 3, stride=2)
        self.block_list = nn.Sequential(
            *[DepthwiseSeparable(block, scale) for block in _blocks(last_conv_stride)]
        )
        if last_pool_type == "avg":
            window = last_pool_kernel_size
            self.pool = nn.AvgPool2D(window if isinstance(window, int) else list(window))
        else:
            self.pool = MaxPool2D(2)
        self.out_channels = int(1024 * scale)
        if initialization == "near_identity":
            for block in self.block_list:
                _move_to_identity(block._depthwise_conv._conv)
                _move_to_identity(block._pointwise_conv._conv)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, 1, W / 4] for H = 32."""
        return self.pool(self.block_list(self.conv1(x)))
