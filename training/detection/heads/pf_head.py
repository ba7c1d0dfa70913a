"""The head of PP-OCRv4's and v5's servers, which looks at its own map once more."""

from __future__ import annotations

from typing import Any, Literal

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.backbones.layers import ConvBN
from training.detection.heads.db_head import DBHead, Features, fused_features
from training.detection.heads.map_branch import KERNELS, Kernels
from training.detection.warn import warn_once

_WIDTHS = {"large": 4, "small": 8}
"""By how much the channels inside are fewer than the neck's."""


class LocalModule(nn.Layer):
    """Two convolutions over features and a map of them.

    Args:
        in_channels: C of the features.
        mid_channels: between the convolutions.
    """

    def __init__(self, in_channels: int, mid_channels: int) -> None:
        super().__init__()
        self.last_3 = ConvBN(in_channels + 1, mid_channels, 3, activation="relu")
        self.last_1 = nn.Conv2D(mid_channels, 1, 1)

    def forward(self, features: paddle.Tensor, shrink: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] and [N, 1, H, W] to logits float32 [N, 1, H, W]."""
        return self.last_1(self.last_3(paddle.concat([shrink, features], axis=1)))


class PFHeadLocal(DBHead):
    """`DBHead` with a second map of shrunken text, made of the first; their mean is deployed.

    In training PaddleOCR gives out the second map as the first of `maps`, and the binary map where
    the second is meant: the first map is learned through the other two alone, and the binary map
    counts twice.

    Args:
        in_channels: of the neck's output.
        k: steepness of the approximate binarization.
        mode: width of the second map's layers.
        kernel_list: sides of the kernels of each branch.
        fix_nan: in training replace what is not a number by 0 behind each BatchNorm of a branch.
        both_maps: give out the first map in `maps` and the second as `cbn_maps`, so that each
            learns from the labels.

    Source: PaddleOCR `det_db_head`; PP-OCRv4.
    """

    def __init__(
        self,
        in_channels: int,
        k: float = 50,
        mode: Literal["large", "small"] = "small",
        kernel_list: Kernels = KERNELS,
        fix_nan: bool = False,
        both_maps: bool = False,
    ) -> None:
        super().__init__(in_channels, k, kernel_list=kernel_list, fix_nan=fix_nan)
        self.cbn_layer = LocalModule(in_channels // 4, in_channels // _WIDTHS[mode])
        self.both_maps = both_maps
        if not both_maps:
            warn_once(
                "PFHeadLocal: no loss looks at the first of the two maps, and two at the binary "
                "map, as in PaddleOCR; both_maps: true teaches both"
            )

    def forward(self, features: Features, batch: Any = None) -> dict[str, paddle.Tensor]:
        """Map features float32 [N, C, H, W] to what losses take.

        Returns:
            `maps`: float32 [N, 3, 4 H, 4 W], values 0 .. 1: shrunken text by the second map,
            threshold, binary map of the first; `distance_maps`: the second map [N, 1, 4 H, 4 W];
            `cbn_maps`: the binary map, of the same shape. With `both_maps` the first map stands in
            `maps`, and the second one is `cbn_maps`.
        """
        fused = fused_features(features)
        first, second = self._both(fused)
        threshold = self.thresh(fused)
        if self.both_maps:
            maps, extra = self.maps_of(first, threshold), second
        else:
            extra = self.binary_map(first, threshold)
            maps = paddle.concat([second, threshold, extra], axis=1)
        return {"maps": maps, "distance_maps": second, "cbn_maps": extra}

    def shrink_map(self, features: Features) -> paddle.Tensor:
        """Map features to the mean of both maps: values 0 .. 1, float32 [N, 1, 4 H, 4 W]."""
        first, second = self._both(fused_features(features))
        return 0.5 * (first + second)

    def _both(self, fused: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return both maps of shrunken text, float32 [N, 1, 4 H, 4 W]."""
        features = self.binarize.features(fused)
        first = self.binarize.map_of(features)
        enlarged = F.interpolate(features, scale_factor=2, mode="nearest")
        return first, F.sigmoid(self.cbn_layer(enlarged, first))
