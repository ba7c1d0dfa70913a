"""Necks with channel gates: PP-OCRv3's to v5's of mobile networks, and v6's with large kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import paddle
from paddle import nn

from training.backbones.layers import SqueezeExcitation
from training.detection.necks.dilated import DilatedReparamBlock
from training.detection.necks.pyramid import (
    OUTPUTS,
    Levels,
    Pyramid,
    added_downwards,
    build_neck_conv,
    with_auxiliary,
)

_GATE_SLOPE = 0.2


class RSELayer(nn.Layer):
    """Convolution, then squeeze-excitation beside a shortcut.

    Args:
        in_channels, out_channels, kernel_size: of the convolution.
        shortcut: add the convolution's output to its gated form.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, shortcut: bool
    ) -> None:
        super().__init__()
        self.in_conv = build_neck_conv(in_channels, out_channels, kernel_size)
        self.se_block = SqueezeExcitation(out_channels, slope=_GATE_SLOPE)
        self.shortcut = shortcut

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H, W]."""
        x = self.in_conv(x)
        return x + self.se_block(x) if self.shortcut else self.se_block(x)


class RSEFPN(Pyramid):
    """`DBFPN` whose convolutions are followed by residual squeeze-excitation.

    Args:
        in_channels: of the backbone's features, from fine to coarse.
        out_channels: of the output, and of every level inside.
        shortcut: whether the squeeze-excitations are residual.
        intracl: let each level look along rows and columns.

    Source: PP-OCRv3 (arXiv:2206.03001); PaddleOCR `db_fpn`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        shortcut: bool = True,
        intracl: bool = False,
    ) -> None:
        super().__init__(out_channels, intracl)
        self.ins_conv = nn.LayerList(
            [RSELayer(channels, out_channels, 1, shortcut) for channels in in_channels]
        )
        self.inp_conv = nn.LayerList(
            [RSELayer(out_channels, out_channels // 4, 3, shortcut) for _ in in_channels]
        )

    def forward(self, features: Levels) -> paddle.Tensor:
        """Map features at strides 4, 8, 16 and 32 to float32 [N, out_channels, H / 4, W / 4]."""
        levels = [conv(feature) for conv, feature in zip(self.ins_conv, features, strict=True)]
        added = added_downwards(levels)
        return self.joined([conv(level) for conv, level in zip(self.inp_conv, added, strict=True)])


class RepLKFPN(Pyramid):
    """`RSEFPN` with large depthwise kernels, merged of dilated branches, and pointwise ones.

    Args:
        in_channels: of the backbone's features, from fine to coarse.
        out_channels: of the output, and of every level inside.
        shortcut: whether the squeeze-excitations are residual.
        dilated_kernel_size: of the depthwise convolutions, pixels.
        intracl: let each level look along rows and columns.

    Source: Ding et al. 2024, UniRepLKNet (arXiv:2311.15599); PaddleOCR `db_fpn`; PP-OCRv6.
    """

    outputs: ClassVar[tuple[str, ...]] = OUTPUTS
    """Names of what it returns."""

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        shortcut: bool = True,
        dilated_kernel_size: Literal[5, 7, 9, 11, 13] = 7,
        intracl: bool = False,
    ) -> None:
        super().__init__(out_channels, intracl)
        quarter = out_channels // 4
        self.shortcut = shortcut
        self.ins_conv = nn.LayerList(
            [RSELayer(channels, out_channels, 1, shortcut) for channels in in_channels]
        )
        self.inp_conv_dw = nn.LayerList(
            [DilatedReparamBlock(out_channels, dilated_kernel_size) for _ in in_channels]
        )
        self.inp_conv_pw = nn.LayerList(
            [build_neck_conv(out_channels, quarter) for _ in in_channels]
        )
        self.inp_conv_se = nn.LayerList(
            [SqueezeExcitation(quarter, slope=_GATE_SLOPE) for _ in in_channels]
        )

    def forward(self, features: Levels) -> dict[str, paddle.Tensor]:
        """Map features at strides 4, 8, 16 and 32 to `fuse`, and features of auxiliary heads.

        Returns:
            `fuse`: float32 [N, out_channels, H / 4, W / 4]; `aux_p4`, `aux_p3`, `aux_p2`: float32
            [N, out_channels, H / s, W / s] at strides s 16, 8 and 4.
        """
        levels = [conv(feature) for conv, feature in zip(self.ins_conv, features, strict=True)]
        added = added_downwards(levels)
        reduced = []
        for depthwise, pointwise, gates, level in zip(
            self.inp_conv_dw, self.inp_conv_pw, self.inp_conv_se, added, strict=True
        ):
            x = pointwise(depthwise(level))
            reduced.append(x + gates(x) if self.shortcut else gates(x))
        return with_auxiliary(self.joined(reduced), added)
