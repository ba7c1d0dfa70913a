"""The layers of RepViT's block, which PPLCNetV4 and RepSVTR are made of.

A depthwise convolution mixes pixels, two pointwise ones mix channels. In training the first is
three branches that are added.

Source: Wang et al. 2023, RepViT (arXiv:2307.09283).
"""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import ParamAttr, nn

from training.backbones.layers import build_conv
from training.backbones.reparameterise import (
    affine,
    folded,
    identity_kernel,
    let_pass,
    merged_conv,
    padded,
    unfold,
)
from training.kernels import Activation, depthwise_conv2d, depthwise_residual, normalise

_EXPANSION = 2
"""Channels between the two pointwise convolutions, as a multiple of the input's."""


class ConvBN(nn.Sequential):
    """Convolution without bias, BatchNorm.

    Args:
        in_channels: C.
        out_channels: C'.
        kernel_size: pixels; the padding keeps the size at stride 1.
        stride: pixels, one number or (vertical, horizontal).
        groups: of the convolution.
        conv_name: of the convolution among the parameters, which PaddleOCR calls `conv` or `c`.
        initial_scale: of BatchNorm; 0 where a shortcut shall pass the input through at the start.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int | Sequence[int] = 1,
        groups: int = 1,
        conv_name: str = "conv",
        initial_scale: float = 1.0,
    ) -> None:
        scale = ParamAttr(initializer=nn.initializer.Constant(initial_scale))
        super().__init__(
            (conv_name, build_conv(in_channels, out_channels, kernel_size, stride, groups)),
            ("bn", nn.BatchNorm2D(out_channels, weight_attr=scale)),
        )

    def forward(self, x: paddle.Tensor, activation: Activation | None = None) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W'], `activation` behind it."""
        conv, norm = self.children()
        return normalise(conv(x), norm, activation)

    def merged(self) -> nn.Conv2D:
        """Return one convolution with a bias that computes the same in evaluation."""
        conv, norm = self.children()
        return merged_conv(conv, *folded(conv, norm))

    def separate(self, merged: nn.Layer) -> None:
        """Take what a convolution computes, where merging has put one in this place."""
        if isinstance(merged, nn.Conv2D):
            conv, norm = self.children()
            unfold(conv, norm, merged)


class DepthwiseBranches(nn.Layer):
    """Depthwise ConvBN, depthwise 1x1 convolution and the input itself, added, and BatchNorm.

    Args:
        channels: C.
        kernel_size: of the first branch, pixels, odd.
        conv_name: of its convolution, see `ConvBN`.
        has_bias: whether the 1x1 convolution has a bias.
    """

    def __init__(
        self, channels: int, kernel_size: int, conv_name: str = "conv", has_bias: bool = False
    ) -> None:
        super().__init__()
        self.conv = ConvBN(channels, channels, kernel_size, groups=channels, conv_name=conv_name)
        self.conv1 = nn.Conv2D(
            channels, channels, 1, groups=channels, bias_attr=None if has_bias else False
        )
        self.bn = nn.BatchNorm2D(channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to the same shape."""
        if self.conv1.bias is None:
            conv, norm = self.conv.children()
            y = depthwise_residual(x, conv, norm, self.conv1.weight, self.bn)
            if y is not None:
                return y
        scaled = depthwise_conv2d(x, self.conv1.weight)
        if self.conv1.bias is not None:
            scaled = scaled + self.conv1.bias.reshape([1, -1, 1, 1])
        return self.bn(self.conv(x) + scaled + x)

    def branches_as_one(self) -> nn.Conv2D:
        """Return one depthwise convolution with a bias that computes the same in evaluation."""
        conv = next(self.conv.children())
        kernel, bias = folded(*self.conv.children())
        size = kernel.shape[-2:]
        kernel = kernel + padded(self.conv1.weight.numpy(), size)
        kernel = kernel + identity_kernel(kernel.shape[0], 1, size)
        if self.conv1.bias is not None:
            bias = bias + self.conv1.bias.numpy()
        scale, shift = affine(self.bn)
        return merged_conv(conv, kernel * scale.reshape([-1, 1, 1, 1]), shift + bias * scale)

    def separate(self, merged: nn.Layer) -> None:
        """Take what the merged layer computes, a convolution or one that has it.

        The 1x1 convolution, which has no BatchNorm of its own, becomes 0.
        """
        conv, norm = self.conv.children()
        merged = getattr(merged, "reparam_conv", merged)
        kernel = merged.weight.numpy()
        conv.weight.set_value(kernel - identity_kernel(kernel.shape[0], 1, kernel.shape[-2:]))
        for tensor in self.conv1.parameters():
            tensor.set_value(paddle.zeros_like(tensor))
        let_pass(norm)
        let_pass(self.bn, merged.bias.numpy())


class ConvSequential(nn.Sequential):
    """Layers in a row, where GELU behind a `ConvBN` is applied with its BatchNorm."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to what the last layer makes of it."""
        layers = list(self.children())
        for layer, before, behind in zip(
            layers, [None, *layers], [*layers[1:], None], strict=False
        ):
            if isinstance(layer, ConvBN):
                x = layer(x, "gelu" if isinstance(behind, nn.GELU) else None)
            elif not (isinstance(layer, nn.GELU) and isinstance(before, ConvBN)):
                x = layer(x)
        return x


class MergingSequential(ConvSequential):
    """Layers in a row, of which each that has a method `merged` can become what that returns."""

    def reparameterise(self) -> None:
        """Replace the layers that can be merged."""
        for name, layer in list(self.named_children()):
            if hasattr(layer, "merged"):
                setattr(self, name, layer.merged())


def build_channel_mixer(
    in_channels: int, out_channels: int, has_shortcut: bool, conv_name: str = "conv"
) -> tuple[nn.Layer, nn.Layer, nn.Layer]:
    """Build the two pointwise convolutions of a block and the GELU between them.

    Args:
        in_channels: C.
        out_channels: C'.
        has_shortcut: whether the input is added to the result, which then starts at zero.
        conv_name: of the convolutions, see `ConvBN`.
    """
    hidden = _EXPANSION * in_channels
    return (
        ConvBN(in_channels, hidden, conv_name=conv_name),
        nn.GELU(),
        ConvBN(
            hidden, out_channels, conv_name=conv_name, initial_scale=0.0 if has_shortcut else 1.0
        ),
    )
