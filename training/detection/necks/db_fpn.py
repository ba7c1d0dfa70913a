"""The neck of differentiable binarization, PP-OCRv2's."""

from __future__ import annotations

from collections.abc import Sequence

import paddle

from training.detection.necks.pyramid import (
    Levels,
    Pyramid,
    added_downwards,
    build_neck_conv,
)

_LEVELS = (2, 3, 4, 5)
"""PaddleOCR's numbers of the levels: binary logarithms of their strides."""


class DBFPN(Pyramid):
    """Feature pyramid whose levels are joined at a quarter of the image's size.

    Args:
        in_channels: of the backbone's features, from fine to coarse.
        out_channels: of the output, and of every level inside.

    Source: Liao et al. 2020 (arXiv:1911.08947); PaddleOCR `db_fpn`.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        super().__init__(out_channels)
        for level, channels in zip(_LEVELS, in_channels, strict=True):
            self.add_sublayer(f"in{level}_conv", build_neck_conv(channels, out_channels))
            self.add_sublayer(f"p{level}_conv", build_neck_conv(out_channels, out_channels // 4, 3))

    def forward(self, features: Levels) -> paddle.Tensor:
        """Map features at strides 4, 8, 16 and 32 to float32 [N, out_channels, H / 4, W / 4]."""
        levels = [
            getattr(self, f"in{level}_conv")(feature)
            for level, feature in zip(_LEVELS, features, strict=True)
        ]
        return self.joined(
            [
                getattr(self, f"p{level}_conv")(feature)
                for level, feature in zip(_LEVELS, added_downwards(levels), strict=True)
            ]
        )
