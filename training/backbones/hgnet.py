"""What PPHGNet and PPHGNetV2 share: blocks that keep all their layers' outputs, stages, tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import nn

from training.backbones.layers import build_conv_bn

STAGE_NAMES = ("stage1", "stage2", "stage3", "stage4")
StageTable = Mapping[str, Sequence[Any]]
"""Sizes of each stage by its name, as rows of a given order."""


@dataclass(frozen=True)
class StageSizes:
    """Sizes of one stage, under PaddleOCR's names.

    Args:
        in_channels, mid_channels, out_channels: of the stage, of the layers inside its blocks, of
            the blocks.
        block_num: number of blocks.
        is_downsample: begin with a depthwise convolution of this stride.
        stride: (vertical, horizontal), or one for both.
        light_block: layers are a pointwise and a depthwise convolution.
        kernel_size: of the layers.
        layer_num: number of layers in a block.
    """

    in_channels: int
    mid_channels: int
    out_channels: int
    block_num: int
    is_downsample: bool
    stride: int | Sequence[int]
    light_block: bool = False
    kernel_size: int = 3
    layer_num: int = 6


class DenseBlock(nn.Layer):
    """Layers in a row whose outputs, and the input, are all aggregated.

    Args:
        layers: in a row.
        aggregation: layers in a row that map the channels of all outputs to those of the block,
            by PaddleOCR's names.
        has_shortcut: add the input.
    """

    def __init__(
        self, layers: Sequence[nn.Layer], aggregation: Mapping[str, nn.Layer], has_shortcut: bool
    ) -> None:
        super().__init__()
        self.layers = nn.LayerList(layers)
        self.aggregation_names = tuple(aggregation)
        for name, layer in aggregation.items():
            self.add_sublayer(name, layer)
        self.has_shortcut = has_shortcut

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C', H, W]."""
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        y = paddle.concat(outputs, axis=1)
        for name in self.aggregation_names:
            y = getattr(self, name)(y)
        return y + x if self.has_shortcut else y


class HGStage(nn.Layer):
    """Optional depthwise convolution that shrinks, then blocks; all but the first have shortcuts.

    Args:
        sizes: of the stage.
        build_block: makes a block from the channels of its input and whether it has a shortcut.
        learning_rate: factor of the learning rate of the depthwise convolution.
    """

    def __init__(
        self,
        sizes: StageSizes,
        build_block: Callable[[int, bool], nn.Layer],
        learning_rate: float = 1.0,
    ) -> None:
        super().__init__()
        channels = sizes.in_channels
        self.downsample = None
        if sizes.is_downsample:
            self.downsample = build_conv_bn(
                channels, channels, 3, sizes.stride, channels, learning_rate=learning_rate
            )
        first = build_block(channels, False)
        rest = [build_block(sizes.out_channels, True) for _ in range(sizes.block_num - 1)]
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C', H', W']."""
        if self.downsample is not None:
            x = self.downsample(x)
        return self.blocks(x)


def stages_of(table: StageTable, fields: Sequence[str], **common: Any) -> list[StageSizes]:
    """Return the sizes of the four stages.

    Args:
        table: a row for each of `STAGE_NAMES`.
        fields: what the values of a row are, names of `StageSizes`.
        common: what all stages have alike.
    """
    return [
        StageSizes(**dict(zip(fields, table[name], strict=True)), **common) for name in STAGE_NAMES
    ]


def problems_of_stages(
    table: StageTable, fields: Sequence[str], channels: int
) -> list[tuple[str, str]]:
    """Report rows that are missing, malformed or do not follow one another.

    Args:
        table: what a config gives as `stage_config`.
        fields: what the values of a row are, names of `StageSizes`.
        channels: what the stem gives.

    Returns:
        Pairs of key and message.
    """
    key = "stage_config"
    if set(table) != set(STAGE_NAMES):
        message = f"expected {', '.join(STAGE_NAMES)}, got {', '.join(map(str, table)) or 'none'}"
        return [(key, message)]
    for name in STAGE_NAMES:
        row = table[name]
        if not isinstance(row, list | tuple) or not _is_row(row, fields):
            return [(f"{key}.{name}", f"expected [{', '.join(fields)}], got {row!r}")]
        sizes = StageSizes(**dict(zip(fields, row, strict=True)))
        if sizes.in_channels != channels:
            message = f"expected in_channels {channels}, what comes before it gives, got {row[0]}"
            return [(f"{key}.{name}", message)]
        channels = sizes.out_channels
    return []


def _is_row(row: Sequence[Any], fields: Sequence[str]) -> bool:
    """Tell whether every value of a row has the type of its field."""
    if len(row) != len(fields):
        return False
    for field, value in zip(fields, row, strict=True):
        if field in ("is_downsample", "light_block"):
            is_right = isinstance(value, bool)
        elif field == "stride":
            pair = [value] * 2 if isinstance(value, int) else value
            is_right = isinstance(pair, list | tuple) and len(pair) == 2 and _are_counts(pair)
        else:
            is_right = _are_counts([value])
        if not is_right:
            return False
    return True


def _are_counts(values: Sequence[Any]) -> bool:
    return all(type(value) is int and value > 0 for value in values)
