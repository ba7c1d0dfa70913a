"""Large depthwise kernels that are trained as the sum of dilated smaller ones."""

from __future__ import annotations

import itertools

import numpy as np
import paddle
from paddle import nn

from training.backbones.layers import build_conv
from training.backbones.reparameterise import (
    Kernel,
    folded,
    let_pass,
    merged_conv,
    padded,
    unfold,
)
from training.detection.necks.pyramid import build_neck_conv
from training.kernels import normalise, sum_normalised_branches

_BRANCHES = {
    5: ((3, 1), (3, 2)),
    7: ((5, 1), (3, 2), (3, 3)),
    9: ((5, 1), (5, 2), (3, 3), (3, 4)),
    11: ((5, 1), (5, 2), (3, 3), (3, 4), (3, 5)),
    13: ((5, 1), (7, 2), (3, 3), (3, 4), (3, 5)),
}
"""Kernel size and dilation of the branches beside the large kernel, by its size."""


class DilatedReparamBlock(nn.Layer):
    """A depthwise convolution and dilated ones beside it, each with BatchNorm, added.

    Args:
        channels: C.
        kernel_size: of the large kernel, pixels, one of 5, 7, 9, 11 and 13.

    Source: Ding et al. 2024, UniRepLKNet (arXiv:2311.15599); PaddleOCR `db_fpn`.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.branches = _BRANCHES[kernel_size]
        self.lk_origin = build_conv(channels, channels, kernel_size, groups=channels)
        self.origin_bn: nn.BatchNorm2D | None = nn.BatchNorm2D(channels)
        for size, dilation in self.branches:
            conv = nn.Conv2D(
                channels,
                channels,
                size,
                padding=dilation * (size // 2),
                dilation=dilation,
                groups=channels,
                bias_attr=False,
            )
            self.add_sublayer(f"dil_conv_k{size}_{dilation}", conv)
            self.add_sublayer(f"dil_bn_k{size}_{dilation}", nn.BatchNorm2D(channels))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to the same shape."""
        if self.origin_bn is None:
            return self.lk_origin(x)
        branches = [
            (self.lk_origin, self.origin_bn),
            *itertools.starmap(self._branch, self.branches),
        ]
        y = sum_normalised_branches(x, branches)
        if y is not None:
            return y
        y = self.origin_bn(self.lk_origin(x))
        for conv, norm in branches[1:]:
            y = y + norm(conv(x))
        return y

    def reparameterise(self) -> None:
        """Merge all into `lk_origin`, which has a bias then; the branches are gone."""
        if self.origin_bn is None:
            return
        kernel, bias = folded(self.lk_origin, self.origin_bn)
        for size, dilation in self.branches:
            branch_kernel, branch_bias = folded(*self._branch(size, dilation))
            kernel = kernel + padded(_spread(branch_kernel, dilation), kernel.shape[-2:])
            bias = bias + branch_bias
            delattr(self, f"dil_conv_k{size}_{dilation}")
            delattr(self, f"dil_bn_k{size}_{dilation}")
        self.lk_origin = merged_conv(self.lk_origin, kernel, bias)
        self.origin_bn = None

    def separate(self, merged: DilatedReparamBlock) -> None:
        """Take what the merged layer computes, in the large kernel."""
        for branch in self.branches:
            let_pass(self._branch(*branch)[1], scale=0.0)
        unfold(self.lk_origin, self.origin_bn, merged.lk_origin)

    def _branch(self, size: int, dilation: int) -> tuple[nn.Conv2D, nn.BatchNorm2D]:
        conv = getattr(self, f"dil_conv_k{size}_{dilation}")
        return conv, getattr(self, f"dil_bn_k{size}_{dilation}")


def _spread(kernel: Kernel, dilation: int) -> Kernel:
    """Return the kernel that does undilated what this one does dilated: zeros between its taps."""
    *channels, height, width = kernel.shape
    spread = np.zeros(
        (*channels, dilation * (height - 1) + 1, dilation * (width - 1) + 1), kernel.dtype
    )
    spread[..., ::dilation, ::dilation] = kernel
    return spread


class DilatedReparamConv(nn.Layer):
    """`DilatedReparamBlock`, pointwise convolution, BatchNorm: stands for one large convolution.

    Args:
        in_channels, out_channels: C and C'.
        kernel_size: as `DilatedReparamBlock` takes it.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.dw = DilatedReparamBlock(in_channels, kernel_size)
        self.pw = build_neck_conv(in_channels, out_channels)
        self.bn: nn.BatchNorm2D | None = nn.BatchNorm2D(out_channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C', H, W]."""
        x = self.pw(self.dw(x))
        return x if self.bn is None else normalise(x, self.bn)

    def reparameterise(self) -> None:
        """Merge BatchNorm into `pw`, which has a bias then; `dw` merges itself."""
        if self.bn is not None:
            self.pw = merged_conv(self.pw, *folded(self.pw, self.bn))
            self.bn = None

    def separate(self, merged: DilatedReparamConv) -> None:
        """Take what the merged layer computes; `dw` takes its part itself."""
        unfold(self.pw, self.bn, merged.pw)
