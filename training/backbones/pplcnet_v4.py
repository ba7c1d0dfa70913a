"""PPLCNetV4, the backbone of PP-OCRv6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F
from paddle.regularizer import L2Decay

from runtime.errors import ConfigError
from training.backbones.layers import GATE_SLOPE, SqueezeExcitation, build_conv
from training.backbones.pooling import PoolToRow
from training.backbones.pplcnet_v4_tables import (
    MULTI_SCALE_STAGES,
    MULTI_SCALE_TABLES,
    RECOGNITION_STAGES,
    RECOGNITION_TABLES,
    Row,
    mistake_in,
)
from training.backbones.reparameterise import folded, merged_conv, unfold
from training.backbones.repvit import (
    ConvBN,
    ConvSequential,
    DepthwiseBranches,
    MergingSequential,
    build_channel_mixer,
)
from training.kernels import normalise

Six = tuple[float, float, float, float, float, float]


class ConvBNReLU(nn.Layer):
    """Convolution, BatchNorm without weight decay, ReLU.

    Args:
        in_channels: C.
        out_channels: C'.
        kernel_size: pixels; an even one is padded at the right and the bottom.
        stride: pixels.
        learning_rate: factor of the learning rate of its parameters.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        learning_rate: float = 1.0,
    ) -> None:
        super().__init__()
        self.conv = build_conv(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            weight_attr=ParamAttr(learning_rate=learning_rate),
        )
        scale, shift = (
            ParamAttr(regularizer=L2Decay(0.0), learning_rate=learning_rate) for _ in range(2)
        )
        self.bn: nn.Layer | None = nn.BatchNorm2D(out_channels, weight_attr=scale, bias_attr=shift)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        x = self.conv(x)
        return F.relu(x) if self.bn is None else normalise(x, self.bn, "relu")

    def reparameterise(self) -> None:
        """Merge BatchNorm into the convolution, which has a bias then."""
        if self.bn is not None:
            self.conv = merged_conv(self.conv, *folded(self.conv, self.bn))
            self.bn = None

    def separate(self, merged: ConvBNReLU) -> None:
        """Take what the merged layer computes."""
        unfold(self.conv, self.bn, merged.conv)


class BranchStem(nn.Layer):
    """Five convolutions that shrink the image to a quarter, with a pool beside two of them.

    Args:
        in_channels: C of the image.
        mid_channels: C inside.
        out_channels: C'.
        learning_rate: factor of the learning rate of its parameters.
    """

    def __init__(
        self, in_channels: int, mid_channels: int, out_channels: int, learning_rate: float
    ) -> None:
        super().__init__()
        half = mid_channels // 2
        self.stem1 = ConvBNReLU(in_channels, mid_channels, 3, 2, learning_rate)
        self.stem2a = ConvBNReLU(mid_channels, half, 2, 1, learning_rate)
        self.stem2b = ConvBNReLU(half, mid_channels, 2, 1, learning_rate)
        self.stem3 = ConvBNReLU(2 * mid_channels, mid_channels, 3, 2, learning_rate)
        self.stem4 = ConvBNReLU(mid_channels, out_channels, 1, 1, learning_rate)
        self.pool = nn.MaxPool2D(kernel_size=2, stride=1, padding="SAME")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, H / 4, W / 4]."""
        x = self.stem1(x)
        x = paddle.concat([self.pool(x), self.stem2b(self.stem2a(x))], axis=1)
        return self.stem4(self.stem3(x))


def _simple_stem(in_channels: int, mid_channels: int, out_channels: int) -> nn.Layer:
    """Build two convolutions that shrink the image to a quarter; PaddleOCR never merges them."""
    return ConvSequential(
        ConvBN(in_channels, mid_channels, 3, 2), nn.GELU(), ConvBN(mid_channels, out_channels, 3, 2)
    )


class RepDWConv(DepthwiseBranches):
    """Depthwise branches that merge into `reparam_conv`."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__(channels, kernel_size)
        self.reparam_conv: nn.Conv2D | None = None

    @property
    def optional_state(self) -> dict[str, str]:
        """Name what a checkpoint may hold beside the branches, and why it is not needed."""
        return {"reparam_conv": "it follows from the branches"} if self.reparam_conv is None else {}

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to the same shape."""
        return super().forward(x) if self.reparam_conv is None else self.reparam_conv(x)

    def reparameterise(self) -> None:
        """Merge the branches, which are gone then."""
        if self.reparam_conv is None:
            self.reparam_conv = self.branches_as_one()
            del self.conv, self.conv1, self.bn


class MeanExcitation(SqueezeExcitation):
    """`SqueezeExcitation` of sums divided by the number of pixels, which round otherwise."""

    def averages(self, x: paddle.Tensor) -> paddle.Tensor:
        """Return the mean of every channel: float32 [N, C, H, W] to [N, C, 1, 1]."""
        return x.mean(axis=[2, 3], keepdim=True)


class Block(nn.Layer):
    """Token mixer (depthwise), optional squeeze-excitation, channel mixer (pointwise).

    Args:
        row: the table's.
        learning_rate: factor of the learning rate of the squeeze-excitation's parameters.
    """

    def __init__(self, row: Row, learning_rate: float) -> None:
        super().__init__()
        kernel_size, in_channels, out_channels, stride, has_gates = row
        self.has_shortcut = stride == 1 and in_channels == out_channels
        mixers: list[tuple[str, nn.Layer]]
        if self.has_shortcut:
            mixers = [("rep_dw", RepDWConv(in_channels, kernel_size))]
        else:
            conv = ConvBN(in_channels, in_channels, kernel_size, stride, groups=in_channels)
            mixers = [("dw_conv", conv)]
        if has_gates:
            mixers.append(("se", MeanExcitation(in_channels, GATE_SLOPE, learning_rate)))
        self.token_mixer = MergingSequential(*mixers)
        expand, activation, compress = build_channel_mixer(
            in_channels, out_channels, self.has_shortcut
        )
        self.channel_mixer = MergingSequential(
            ("expand", expand), ("act", activation), ("compress", compress)
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C', H', W']."""
        x = self.token_mixer(x)
        mixed = self.channel_mixer(x)
        return x + mixed if self.has_shortcut else mixed


class PPLCNetV4(nn.Layer):
    """RepViT's blocks on a plain or a branched stem, for text lines.

    Args:
        in_channels: C of the image, 3.
        det: the form with features at several scales, which is `PPLCNetV4MultiScale`.
        model_size: tier, one of `RECOGNITION_TABLES`.
        lr_mult_list: factors of the learning rate: of the branched stem, and of the
            squeeze-excitations of the five stages; PaddleOCR leaves all else at 1.
        net_config: table of channels in place of the tier's, as `RECOGNITION_TABLES` has them:
            `stem` [C inside, C'], `stem_type` `branch` or `simple`, `blocks2` to `blocks6` with
            rows [kernel size, C, C', stride, whether squeeze-excitation].

    Raises:
        ConfigError: on a table whose rows do not fit.

    Source: Wang et al. 2023, RepViT (arXiv:2307.09283); PaddleOCR `rec_lcnetv4`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        det: Literal[False] = False,
        model_size: Literal["tiny", "small", "medium"] = "small",
        lr_mult_list: Six = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        net_config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        for key, message in self.problems_of({"net_config": net_config}):
            raise ConfigError(f"PPLCNetV4.{key}: {message}")
        table = RECOGNITION_TABLES[model_size] if net_config is None else net_config
        of_stem, *of_stages = lr_mult_list
        mid_channels, self.out_channels = table["stem"]
        if table["stem_type"] == "simple":
            self.conv1 = _simple_stem(in_channels, mid_channels, self.out_channels)
        else:
            self.conv1 = BranchStem(in_channels, mid_channels, self.out_channels, of_stem)
        for name, learning_rate in zip(RECOGNITION_STAGES, of_stages, strict=True):
            rows = table.get(name) or ()
            setattr(self, name, nn.Sequential(*[Block(row, learning_rate) for row in rows]))
            if rows:
                self.out_channels = rows[-1][2]
        self.pool = PoolToRow()

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report what is wrong with an explicit table."""
        table = options.get("net_config")
        message = None if table is None else mistake_in(table)
        return [("net_config", message)] if message else []

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, 1, T]; see `PoolToRow` for T."""
        x = self.conv1(x)
        for name in RECOGNITION_STAGES:
            x = getattr(self, name)(x)
        return self.pool(x)


class PPLCNetV4MultiScale(nn.Layer):
    """RepViT's blocks on a branched stem, whose output is the features of four stages.

    Args:
        in_channels: C of the image, 3.
        det: this form, which a config has to name.
        model_size: tier, one of `MULTI_SCALE_TABLES`.
        net_config: table of channels in place of the tier's, as `MULTI_SCALE_TABLES` has them:
            `stem` [C inside, C'], `blocks_s1` to `blocks_s4` with rows [kernel size, C, C', stride,
            whether squeeze-excitation].

    Raises:
        ConfigError: on a table whose rows do not fit.

    Source: Wang et al. 2023, RepViT (arXiv:2307.09283); PaddleOCR `rec_lcnetv4` with `det`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        det: Literal[True],
        model_size: Literal["tiny", "small", "medium"] = "small",
        net_config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        for key, message in self.problems_of({"net_config": net_config}):
            raise ConfigError(f"PPLCNetV4.{key}: {message}")
        table = MULTI_SCALE_TABLES[model_size] if net_config is None else net_config
        mid_channels, stem_channels = table["stem"]
        self.stem = BranchStem(in_channels, mid_channels, stem_channels, learning_rate=1.0)
        self.out_channels = []
        for name in MULTI_SCALE_STAGES:
            rows = table[name]
            setattr(self, name, nn.Sequential(*[Block(row, learning_rate=1.0) for row in rows]))
            self.out_channels.append(rows[-1][2])

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report what is wrong with an explicit table."""
        table = options.get("net_config")
        message = None if table is None else mistake_in(table, MULTI_SCALE_STAGES)
        return [("net_config", message)] if message else []

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        """Map float32 [N, 3, H, W] to features at strides 4, 8, 16 and 32."""
        x = self.stem(x)
        features = []
        for name in MULTI_SCALE_STAGES:
            x = getattr(self, name)(x)
            features.append(x)
        return tuple(features)
