"""PPHGNet, the backbone of PP-OCRv4 server networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F

from runtime.errors import ConfigError
from training.backbones.hgnet import (
    DenseBlock,
    HGStage,
    StageSizes,
    StageTable,
    problems_of_stages,
    stages_of,
)
from training.backbones.layers import build_conv_bn
from training.backbones.pooling import PoolToRow

FIELDS = (
    "in_channels",
    "mid_channels",
    "out_channels",
    "block_num",
    "is_downsample",
    "stride",
)
"""What the values of a row of `stage_config` are."""
SMALL_STEM = (64, 64, 128)
SMALL_RECOGNITION: StageTable = {
    "stage1": (128, 128, 256, 1, True, (2, 1)),
    "stage2": (256, 160, 512, 1, True, (1, 2)),
    "stage3": (512, 192, 768, 2, True, (2, 1)),
    "stage4": (768, 224, 1024, 1, True, (2, 1)),
}
SMALL_MULTI_SCALE: StageTable = {
    "stage1": (128, 128, 256, 1, False, 2),
    "stage2": (256, 160, 512, 1, True, 2),
    "stage3": (512, 192, 768, 2, True, 2),
    "stage4": (768, 224, 1024, 1, True, 2),
}
_STEM_STRIDES = (2, 1, 1)
_conv_bn_relu = partial(build_conv_bn, activation="relu")


class ChannelGates(nn.Layer):
    """Channel gates from the global average by one pointwise convolution, PaddleOCR's `ESEModule`.

    Source: Lee and Park 2020, CenterMask (arXiv:1911.06667).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        attr = ParamAttr(initializer=nn.initializer.KaimingNormal())
        self.conv = nn.Conv2D(channels, channels, 1, weight_attr=attr)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Scale each channel by its gate: float32 [N, C, H, W] to the same shape."""
        return x * F.sigmoid(self.conv(F.adaptive_avg_pool2d(x, 1)))


class _Stages(nn.Layer):
    """The stem and the stages of a table.

    Args:
        in_channels, stem_channels, stage_config, layer_num: as `PPHGNet` takes them.

    Raises:
        ConfigError: on a table that does not fit together.
    """

    def __init__(
        self,
        in_channels: int,
        stem_channels: tuple[int, int, int],
        stage_config: StageTable,
        layer_num: int,
    ) -> None:
        super().__init__()
        given = {"stem_channels": stem_channels, "stage_config": stage_config}
        for key, message in self.problems_of(given):
            raise ConfigError(f"PPHGNet.{key}: {message}")
        channels = (in_channels, *stem_channels)
        self.stem = nn.Sequential(
            *[
                _conv_bn_relu(channels[i], channels[i + 1], 3, stride)
                for i, stride in enumerate(_STEM_STRIDES)
            ]
        )
        stages = stages_of(stage_config, FIELDS, layer_num=layer_num)
        self.stages = nn.LayerList([HGStage(sizes, _block_builder(sizes)) for sizes in stages])
        self.stage_channels = [sizes.out_channels for sizes in stages]

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report stages that do not follow one another."""
        stem_channels = options.get("stem_channels", SMALL_STEM)
        table = options.get("stage_config", SMALL_RECOGNITION)
        return problems_of_stages(table, FIELDS, stem_channels[-1])


class PPHGNet(_Stages):
    """PPHGNet for text lines, by default in the size that PaddleOCR calls `PPHGNet_small`.

    Args:
        in_channels: C of the image, 3.
        det: the form with features at several scales, which is `PPHGNetMultiScale`.
        stem_channels: of the three convolutions of the stem.
        stage_config: `stage1` to `stage4`, each a row of in_channels, mid_channels, out_channels,
            block_num, is_downsample, stride.
        layer_num: convolutions in a block.

    Raises:
        ConfigError: on a table that does not fit together.

    Source: PaddleOCR `rec_hgnet`; PP-OCRv4.
    """

    def __init__(
        self,
        in_channels: int = 3,
        det: Literal[False] = False,
        stem_channels: tuple[int, int, int] = SMALL_STEM,
        stage_config: StageTable = SMALL_RECOGNITION,
        layer_num: int = 6,
    ) -> None:
        super().__init__(in_channels, stem_channels, stage_config, layer_num)
        self.pool = PoolToRow()
        self.out_channels = self.stage_channels[-1]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, 1, T], see `PoolToRow`."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.pool(x)


class PPHGNetMultiScale(_Stages):
    """PPHGNet whose output is the features of its four stages.

    Args:
        in_channels, stem_channels, stage_config, layer_num: as `PPHGNet` takes them.
        det: this form, which a config has to name.

    Raises:
        ConfigError: on a table that does not fit together.

    Source: PaddleOCR `rec_hgnet` with `det`; PP-OCRv4.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        det: Literal[True],
        stem_channels: tuple[int, int, int] = SMALL_STEM,
        stage_config: StageTable = SMALL_MULTI_SCALE,
        layer_num: int = 6,
    ) -> None:
        super().__init__(in_channels, stem_channels, stage_config, layer_num)
        self.pool = nn.MaxPool2D(kernel_size=3, stride=2, padding=1)
        self.out_channels = self.stage_channels

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        """Map float32 [N, 3, H, W] to features at strides 4, 8, 16 and 32."""
        x = self.pool(self.stem(x))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features)


def _block_builder(sizes: StageSizes) -> Callable[[int, bool], DenseBlock]:
    """Return what makes the blocks of a stage."""

    def build(in_channels: int, has_shortcut: bool) -> DenseBlock:
        width = sizes.mid_channels
        inputs = [in_channels, *[width] * (sizes.layer_num - 1)]
        layers = [_conv_bn_relu(channels, width, sizes.kernel_size) for channels in inputs]
        total = in_channels + sizes.layer_num * width
        aggregation = {
            "aggregation_conv": _conv_bn_relu(total, sizes.out_channels, 1),
            "att": ChannelGates(sizes.out_channels),
        }
        return DenseBlock(layers, aggregation, has_shortcut)

    return build
