"""Necks with large kernels and a way back up: PP-OCRv3's to v5's of servers, and v6's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.backbones.layers import build_conv
from training.detection.necks.dilated import DilatedReparamConv
from training.detection.necks.pyramid import (
    OUTPUTS,
    Levels,
    Pyramid,
    added_downwards,
    build_neck_conv,
    with_auxiliary,
)

_KERNEL_SIZE = 9


class DSConv(nn.Layer):
    """Depthwise convolution and two pointwise ones, wide between them, beside a shortcut.

    The shortcut is a convolution where the channels change; there is none where they stay.

    Args:
        in_channels, out_channels, kernel_size: C, C' and the depthwise kernel's side, pixels.

    Source: PaddleOCR `db_fpn`.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        wide = in_channels * 4
        self.conv1 = build_conv(in_channels, in_channels, kernel_size, groups=in_channels)
        self.bn1 = nn.BatchNorm2D(in_channels)
        self.conv2 = build_conv(in_channels, wide, 1)
        self.bn2 = nn.BatchNorm2D(wide)
        self.conv3 = build_conv(wide, out_channels, 1)
        self.conv_end = None
        if in_channels != out_channels:
            self.conv_end = build_conv(in_channels, out_channels, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C', H, W]."""
        y = self.bn1(self.conv1(x))
        y = self.conv3(F.relu(self.bn2(self.conv2(y))))
        return y if self.conv_end is None else y + self.conv_end(x)


class _PathAggregation(Pyramid):
    """Feature pyramid with a second pass from fine to coarse.

    Args:
        in_channels, out_channels, intracl: as `LKPAN` takes them.
        build_large: makes a layer of large kernels of C, C' and the kernel's side.

    Source: Liu et al. 2018, PANet (arXiv:1803.01534).
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        intracl: bool,
        build_large: Callable[[int, int, int], nn.Layer],
    ) -> None:
        super().__init__(out_channels, intracl)
        quarter = out_channels // 4
        self.ins_conv = nn.LayerList(
            [build_neck_conv(channels, out_channels) for channels in in_channels]
        )
        self.inp_conv = nn.LayerList(
            [build_large(out_channels, quarter, _KERNEL_SIZE) for _ in in_channels]
        )
        self.pan_head_conv = nn.LayerList(
            [build_neck_conv(quarter, quarter, 3, stride=2) for _ in in_channels[1:]]
        )
        self.pan_lat_conv = nn.LayerList(
            [build_large(quarter, quarter, _KERNEL_SIZE) for _ in in_channels]
        )

    def added(self, features: Levels) -> list[paddle.Tensor]:
        """Map features to levels of `out_channels`, to each of which all coarser ones are added."""
        return added_downwards(
            [conv(feature) for conv, feature in zip(self.ins_conv, features, strict=True)]
        )

    def aggregated(self, added: Levels) -> paddle.Tensor:
        """Add to each level all finer ones, and join the levels."""
        finer, *coarser = [conv(level) for conv, level in zip(self.inp_conv, added, strict=True)]
        levels = [finer]
        for conv, level in zip(self.pan_head_conv, coarser, strict=True):
            levels.append(level + conv(levels[-1]))
        return self.joined(
            [conv(level) for conv, level in zip(self.pan_lat_conv, levels, strict=True)]
        )


class LKPAN(_PathAggregation):
    """Path aggregation with kernels of 9x9 pixels.

    Args:
        in_channels: of the backbone's features, from fine to coarse.
        out_channels: of the output, and of every level inside.
        mode: `large` for plain convolutions, `lite` for depthwise-separable ones.
        intracl: let each level look along rows and columns.

    Source: PP-OCRv3 (arXiv:2206.03001); PaddleOCR `db_fpn`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        mode: Literal["large", "lite"] = "large",
        intracl: bool = False,
    ) -> None:
        build_large = build_neck_conv if mode == "large" else DSConv
        super().__init__(in_channels, out_channels, intracl, build_large)

    def forward(self, features: Levels) -> paddle.Tensor:
        """Map features at strides 4, 8, 16 and 32 to float32 [N, out_channels, H / 4, W / 4]."""
        return self.aggregated(self.added(features))


class RepLKPAN(_PathAggregation):
    """`LKPAN` whose large kernels are depthwise, merged of dilated branches, and pointwise.

    Args:
        in_channels: of the backbone's features, from fine to coarse.
        out_channels: of the output, and of every level inside.
        intracl: let each level look along rows and columns.

    Source: Ding et al. 2024, UniRepLKNet (arXiv:2311.15599); PaddleOCR `db_fpn`; PP-OCRv6.
    """

    outputs: ClassVar[tuple[str, ...]] = OUTPUTS
    """Names of what it returns."""

    def __init__(
        self, in_channels: Sequence[int], out_channels: int, intracl: bool = False
    ) -> None:
        super().__init__(in_channels, out_channels, intracl, DilatedReparamConv)

    def forward(self, features: Levels) -> dict[str, paddle.Tensor]:
        """Map features at strides 4, 8, 16 and 32 to `fuse`, and features of auxiliary heads.

        Returns:
            `fuse`: float32 [N, out_channels, H / 4, W / 4]; `aux_p4`, `aux_p3`, `aux_p2`: float32
            [N, out_channels, H / s, W / s] at strides s 16, 8 and 4.
        """
        added = self.added(features)
        return with_auxiliary(self.aggregated(added), added)
