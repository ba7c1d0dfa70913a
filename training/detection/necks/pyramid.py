"""What the necks share: features added from coarse to fine, and joined at a quarter of the size."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F

from training.backbones.layers import build_conv
from training.detection.necks.intracl import IntraCLBlock

Levels = Sequence[paddle.Tensor]
"""Features float32 [N, C, H, W] from fine to coarse: at strides 4, 8, 16 and 32."""
AUXILIARY = ("aux_p4", "aux_p3", "aux_p2")
"""Features that auxiliary heads learn from, at strides 16, 8 and 4."""
OUTPUTS = ("fuse", *AUXILIARY)
"""What a neck gives that serves auxiliary heads."""


class Pyramid(nn.Layer):
    """Base of the necks.

    Args:
        out_channels: C of the output; each level has a quarter of them in the end.
        intracl: let each level look along rows and columns before the levels are joined.
    """

    def __init__(self, out_channels: int, intracl: bool = False) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.intracl = intracl
        if intracl:
            for number in (1, 2, 3, 4):
                block = IntraCLBlock(out_channels // 4, reduce_factor=2)
                self.add_sublayer(f"incl{number}", block)

    def joined(self, levels: Levels) -> paddle.Tensor:
        """Join levels, C / 4 channels each, to float32 [N, C, H / 4, W / 4], coarse ones first."""
        if self.intracl:
            levels = [
                getattr(self, f"incl{number}")(level) for number, level in enumerate(levels, 1)
            ]
        at_one_size = [
            level if index == 0 else upsampled(level, 2**index)
            for index, level in enumerate(levels)
        ]
        return paddle.concat(at_one_size[::-1], axis=1)


def upsampled(x: paddle.Tensor, factor: int) -> paddle.Tensor:
    """Repeat each pixel `factor` times along both sides."""
    return F.interpolate(x, scale_factor=factor, mode="nearest")


def added_downwards(levels: Levels) -> list[paddle.Tensor]:
    """Add to each level all coarser ones, upsampled; the coarsest stays as it is."""
    added = [levels[-1]]
    for level in levels[-2::-1]:
        added.append(level + upsampled(added[-1], 2))
    return added[::-1]


def with_auxiliary(joined: paddle.Tensor, levels: Levels) -> dict[str, paddle.Tensor]:
    """Return the output under `fuse`, and the three finest levels under `AUXILIARY`.

    PaddleOCR returns them in training alone; they cost nothing, being intermediate results.
    """
    finest = dict(zip(AUXILIARY, levels[2::-1], strict=True))
    return {"fuse": joined, **finest}


def build_neck_conv(
    in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1
) -> nn.Conv2D:
    """Build a convolution without bias that keeps the size at stride 1 and starts as Kaiming's."""
    attr = ParamAttr(initializer=nn.initializer.KaimingUniform())
    return build_conv(in_channels, out_channels, kernel_size, stride, weight_attr=attr)
