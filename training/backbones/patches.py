"""Patches of the SVTR family: how an image becomes positions, and how rows of them merge."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import ParamAttr, nn

from training.backbones.attention import ConvNormActivation, build_linear, map_of, sequence_of

_POOL_WINDOW, _POOL_PADDING = (3, 5), (1, 2)


def patch_convs(in_channels: int, out_channels: int, num_halvings: int) -> list[nn.Layer]:
    """Return convolutions of stride 2 that turn an image into positions.

    Args:
        in_channels: C of the image.
        out_channels: of the last convolution; each before it has half of the next one's.
        num_halvings: how many; a position is 2^num_halvings px wide and high.
    """
    widths = [out_channels // 2**power for power in reversed(range(num_halvings))]
    return [
        ConvNormActivation(before, width, 3, stride=2, padding=1, has_bias=True)
        for before, width in zip([in_channels, *widths], widths, strict=False)
    ]


class ConvMerging(nn.Layer):
    """Strided convolution between two stages, then LayerNorm.

    Args:
        in_channels, out_channels: of the stages before and behind it.
        stride: vertical and horizontal, in positions.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Sequence[int] = (2, 1)) -> None:
        super().__init__()
        self.conv = nn.Conv2D(
            in_channels,
            out_channels,
            3,
            stride=list(stride),
            padding=1,
            weight_attr=ParamAttr(initializer=nn.initializer.KaimingNormal()),
        )
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, x: paddle.Tensor, rows: int) -> tuple[paddle.Tensor, int]:
        """Map float32 [N, rows W, C] to float32 [N, rows' W', out_channels] and rows'."""
        merged = self.conv(map_of(x, rows))
        return self.norm(sequence_of(merged)), merged.shape[2]


class PoolMerging(nn.Layer):
    """Mean of average and maximum over 3 x 5 positions, a linear layer, LayerNorm.

    Args:
        in_channels, out_channels: of the stages before and behind it.
        stride: vertical and horizontal, in positions.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Sequence[int] = (2, 1)) -> None:
        super().__init__()
        self.avgpool = nn.AvgPool2D(_POOL_WINDOW, list(stride), list(_POOL_PADDING))
        self.maxpool = nn.MaxPool2D(_POOL_WINDOW, list(stride), list(_POOL_PADDING))
        self.proj = build_linear(in_channels, out_channels)
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, x: paddle.Tensor, rows: int) -> tuple[paddle.Tensor, int]:
        """Map float32 [N, rows W, C] to float32 [N, rows' W', out_channels] and rows'."""
        features = map_of(x, rows)
        pooled = (self.avgpool(features) + self.maxpool(features)) * 0.5
        return self.norm(self.proj(sequence_of(pooled))), pooled.shape[2]
