"""The head of differentiable binarization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.detection.heads.map_branch import KERNELS, Kernels, MapBranch
from training.kernels.maps import binary_map, three_maps

Features: TypeAlias = paddle.Tensor | Mapping[str, paddle.Tensor]
"""A neck's output, alone or under `fuse` beside what auxiliary heads take."""
_LEVELS = {"p4": 4, "p3": 2, "p2": 1}
"""How much the features of each auxiliary head are enlarged, to a quarter of the image's size."""


class DBHead(nn.Layer):
    """Two branches: where text is, shrunken, and the threshold that binarizes this map.

    Args:
        in_channels: of the neck's output.
        k: steepness of the approximate binarization.
        aux_in_channels: of the features that auxiliary heads take in training; 0 for none.
        kernel_list: sides of the kernels of each branch.
        fix_nan: in training replace what is not a number by 0 behind each BatchNorm.

    Source: Liao et al. 2020 (arXiv:1911.08947); PaddleOCR `det_db_head`.
    """

    def __init__(
        self,
        in_channels: int,
        k: float = 50,
        aux_in_channels: int = 0,
        kernel_list: Kernels = KERNELS,
        fix_nan: bool = False,
    ) -> None:
        super().__init__()
        self.k = k
        self.binarize = MapBranch(in_channels, kernel_list, fix_nan)
        self.thresh = MapBranch(in_channels, kernel_list, fix_nan)
        self.levels = tuple(_LEVELS) if aux_in_channels > 0 else ()
        auxiliary = [
            name
            for level in self.levels
            for name in (f"aux_binarize_{level}", f"aux_thresh_{level}")
        ]
        for name in auxiliary:
            self.add_sublayer(name, MapBranch(aux_in_channels, kernel_list, fix_nan))
        self.training_only = ("thresh", *auxiliary)

    def forward(self, features: Features, batch: Any = None) -> dict[str, paddle.Tensor]:
        """Map features float32 [N, C, H, W] to what losses take.

        Returns:
            `maps`: float32 [N, 3, 4 H, 4 W], values 0 .. 1: shrunken text, threshold, binary map.
            `aux_maps_p4`, `aux_maps_p3`, `aux_maps_p2`: the same of each auxiliary head, where the
            neck gives what they take.
        """
        fused = fused_features(features)
        maps = {"maps": self.maps_of(self.binarize(fused), self.thresh(fused))}
        if isinstance(features, Mapping):
            for level in self.levels:
                maps[f"aux_maps_{level}"] = self._auxiliary(level, features[f"aux_{level}"])
        return maps

    def shrink_map(self, features: Features) -> paddle.Tensor:
        """Map features to where text is, shrunken: values 0 .. 1, float32 [N, 1, 4 H, 4 W]."""
        return self.binarize(fused_features(features))

    def maps_of(self, shrink: paddle.Tensor, threshold: paddle.Tensor) -> paddle.Tensor:
        """Join two maps [N, 1, H, W] and their binary map to float32 [N, 3, H, W]."""
        return three_maps(shrink, threshold, self.k)

    def binary_map(self, shrink: paddle.Tensor, threshold: paddle.Tensor) -> paddle.Tensor:
        """Return how far a map exceeds its threshold, 0 .. 1, of the same shape."""
        return binary_map(shrink, threshold, self.k)

    def _auxiliary(self, level: str, features: paddle.Tensor) -> paddle.Tensor:
        if _LEVELS[level] > 1:
            features = F.interpolate(
                features, scale_factor=_LEVELS[level], mode="bilinear", align_corners=False
            )
        shrink = getattr(self, f"aux_binarize_{level}")(features)
        return self.maps_of(shrink, getattr(self, f"aux_thresh_{level}")(features))


def fused_features(features: Features) -> paddle.Tensor:
    """Return the neck's output itself, float32 [N, C, H, W]."""
    return features["fuse"] if isinstance(features, Mapping) else features
