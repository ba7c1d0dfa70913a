"""The layers of PPLCNetV3: branches that training adds, merged to one convolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F

from training.backbones.layers import ConvBN, build_conv_bn
from training.backbones.reparameterise import (
    affine,
    folded,
    identity_kernel,
    let_pass,
    merged_conv,
    padded,
    unfold,
)
from training.kernels import affine_hardswish, sum_normalised_branches

Stride = int | tuple[int, int]
Branch = tuple[nn.Layer | None, nn.Layer]
"""Convolution, or None for the input itself, and the BatchNorm behind it."""


class LearnableAffine(nn.Layer):
    """One factor and one summand for the whole feature map, PaddleOCR's `lab`.

    Args:
        learning_rate: factor of the learning rate of both.
    """

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        attr = ParamAttr(learning_rate=learning_rate)
        constant = nn.initializer.Constant
        self.scale = self.create_parameter([1], attr=attr, default_initializer=constant(1.0))
        self.bias = self.create_parameter([1], attr=attr, default_initializer=constant(0.0))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 of any shape to the same shape."""
        return self.scale * x + self.bias


class HardSwishAffine(nn.Layer):
    """Hard-swish and `LearnableAffine`."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.lab = LearnableAffine(learning_rate)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 of any shape to the same shape."""
        return self.lab(F.hardswish(x))


class LearnableRepLayer(nn.Layer):
    """Branches of one input that are added in training and one convolution when deployed.

    The branches: BatchNorm of the input where the shape stays, a 1x1 convolution beside a larger
    one, and `num_branches` convolutions of the full kernel, each with a BatchNorm of its own. Then
    `lab`, and hard-swish with a `lab` unless the stride is 2 (as a number; a pair keeps it).

    Args:
        in_channels, out_channels, kernel_size, stride, groups: of the convolutions.
        num_branches: how many of them have the full kernel, at least 1.
        learning_rate: factor of the learning rate of everything inside.
        lab_lr: a further factor for every `lab`.

    Source: Ding et al. 2021, RepVGG (arXiv:2101.03697), Vasu et al. 2022, MobileOne
    (arXiv:2206.04040); PaddleOCR `rec_lcnetv3`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: Stride = 1,
        groups: int = 1,
        num_branches: int = 1,
        learning_rate: float = 1.0,
        lab_lr: float = 0.1,
    ) -> None:
        super().__init__()

        def build(size: int) -> ConvBN:
            return build_conv_bn(
                in_channels, out_channels, size, stride, groups, learning_rate=learning_rate
            )

        self.identity = None
        if in_channels == out_channels and stride == 1:
            attr = ParamAttr(learning_rate=learning_rate)
            self.identity = nn.BatchNorm2D(in_channels, weight_attr=attr, bias_attr=attr)
        self.conv_kxk = nn.LayerList([build(kernel_size) for _ in range(num_branches)])
        self.conv_1x1 = build(1) if kernel_size > 1 else None
        self.lab = LearnableAffine(learning_rate * lab_lr)
        self.act = HardSwishAffine(learning_rate * lab_lr)
        self.is_activated = stride != 2
        self.is_merged = False

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        x = self.reparam_conv(x) if self.is_merged else sum_branches(x, self.branches())
        if not self.is_activated:
            return self.lab(x)
        last = self.act.lab
        return affine_hardswish(x, self.lab.scale, self.lab.bias, last.scale, last.bias)

    def branches(self) -> list[Branch]:
        """Return what is added, in PaddleOCR's order; nothing once they are merged."""
        if self.is_merged:
            return []
        branches: list[Branch] = [] if self.identity is None else [(None, self.identity)]
        with_conv = [] if self.conv_1x1 is None else [self.conv_1x1]
        return branches + [(layer.conv, layer.bn) for layer in (*with_conv, *self.conv_kxk)]

    @property
    def optional_state(self) -> dict[str, str]:
        """A kernel merged beside its branches, as PaddleOCR saved exported networks until 2024."""
        if self.is_merged:
            return {}
        return {"reparam_conv": "it follows from the branches beside it"}

    def reparameterise(self) -> None:
        """Replace the branches by one convolution, `reparam_conv`; harmless when repeated.

        The outputs in evaluation change by rounding only.
        """
        if self.is_merged:
            return
        conv = self.conv_kxk[0].conv
        channels, group_channels, *size = conv.weight.shape
        merged_kernel = np.zeros(conv.weight.shape, np.float32)
        merged_bias = np.zeros(channels, np.float32)
        # Full kernels first, then the smaller ones: the order of PaddleOCR's sum.
        num_small = len(self.branches()) - len(self.conv_kxk)
        small, full = self.branches()[:num_small], self.branches()[num_small:]
        for branch, norm in (*full, *reversed(small)):
            if branch is None:
                scale, bias = affine(norm)
                kernel = identity_kernel(channels, group_channels, size)
                kernel = kernel * scale.reshape(-1, 1, 1, 1)
            else:
                kernel, bias = folded(branch, norm)
            merged_kernel = merged_kernel + padded(kernel, size)
            merged_bias = merged_bias + bias
        self.reparam_conv = merged_conv(conv, merged_kernel, merged_bias)
        del self.identity, self.conv_1x1, self.conv_kxk
        self.is_merged = True

    def separate(self, merged: LearnableRepLayer) -> None:
        """Take what the merged layer computes, in the first branch of the full kernel."""
        for _, norm in self.branches():
            let_pass(norm, scale=0.0)
        first = self.conv_kxk[0]
        unfold(first.conv, first.bn, merged.reparam_conv)


def sum_branches(x: paddle.Tensor, branches: Sequence[Branch]) -> paddle.Tensor:
    """Add up branches of one input.

    Args:
        x: float32 [N, C, H, W].
        branches: at least one; all give the same shape.

    Returns:
        float32 [N, C', H', W'].
    """
    total = sum_normalised_branches(x, branches)
    if total is not None:
        return total
    for conv, norm in branches:
        y = norm(x if conv is None else conv(x))
        total = y if total is None else total + y
    return total
