"""PPHGNetV2, the backbone of PP-OCRv5 server networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Literal

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
from training.backbones.layers import build_conv, build_conv_bn
from training.backbones.pooling import PoolToRow

FIELDS = (
    "in_channels",
    "mid_channels",
    "out_channels",
    "block_num",
    "is_downsample",
    "light_block",
    "kernel_size",
    "layer_num",
    "stride",
)
"""What the values of a row of `stage_config` are."""
B4_STEM = (3, 32, 48)
B4_RECOGNITION: StageTable = {
    "stage1": (48, 48, 128, 1, True, False, 3, 6, (2, 1)),
    "stage2": (128, 96, 512, 1, True, False, 3, 6, (1, 2)),
    "stage3": (512, 192, 1024, 3, True, True, 5, 6, (2, 1)),
    "stage4": (1024, 384, 2048, 1, True, True, 5, 6, (2, 1)),
}
B4_MULTI_SCALE: StageTable = {
    "stage1": (48, 48, 128, 1, False, False, 3, 6, 2),
    "stage2": (128, 96, 512, 1, True, False, 3, 6, 2),
    "stage3": (512, 192, 1024, 3, True, True, 5, 6, 2),
    "stage4": (1024, 384, 2048, 1, True, True, 5, 6, 2),
}
Five = tuple[float, float, float, float, float]
_UNREAD = "the classifier of images, which no text network uses"


class StemBlock(nn.Layer):
    """Convolutions beside a max pooling, which halve the image once or twice.

    Args:
        in_channels, mid_channels, out_channels: of the image, inside, of the output.
        last_stride: of the last 3x3 convolution: 2 for a quarter of the image's size.
        learning_rate: factor of the learning rate.
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        last_stride: int,
        learning_rate: float = 1.0,
    ) -> None:
        super().__init__()
        half = mid_channels // 2
        conv_bn_relu = partial(build_conv_bn, activation="relu", learning_rate=learning_rate)
        for name, inputs, outputs, kernel_size, stride in (
            ("stem1", in_channels, mid_channels, 3, 2),
            ("stem2a", mid_channels, half, 2, 1),
            ("stem2b", half, mid_channels, 2, 1),
            ("stem3", 2 * mid_channels, mid_channels, 3, last_stride),
            ("stem4", mid_channels, out_channels, 1, 1),
        ):
            self.add_sublayer(name, conv_bn_relu(inputs, outputs, kernel_size, stride))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        x = self.stem1(x)
        largest = F.max_pool2d(x, kernel_size=2, stride=1, padding="SAME")
        x = paddle.concat([largest, self.stem2b(self.stem2a(x))], axis=1)
        return self.stem4(self.stem3(x))


class LightConv(nn.Layer):
    """Pointwise convolution, then a depthwise one with ReLU, each with BatchNorm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, learning_rate: float
    ) -> None:
        super().__init__()
        conv_bn = partial(build_conv_bn, learning_rate=learning_rate)
        self.conv1 = conv_bn(in_channels, out_channels, 1)
        self.conv2 = conv_bn(
            out_channels, out_channels, kernel_size, groups=out_channels, activation="relu"
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H, W]."""
        return self.conv2(self.conv1(x))


class _Stages(nn.Layer):
    """The stem, the stages of a table, and parameters of the classifier that nothing reads.

    Args:
        in_channels, lr_mult_list, use_last_conv, class_expand, stem_channels, stage_config: as
            `PPHGNetV2` takes them.
        stem_stride: of the stem's last 3x3 convolution.

    Raises:
        ConfigError: on a table that does not fit together.
    """

    def __init__(
        self,
        in_channels: int,
        stem_stride: int,
        lr_mult_list: Five,
        use_last_conv: bool,
        class_expand: int,
        stem_channels: tuple[int, int, int] | None,
        stage_config: StageTable,
    ) -> None:
        super().__init__()
        channels = stem_channels or (in_channels, *B4_STEM[1:])
        for key, message in self.problems_of(
            {"stem_channels": channels, "stage_config": stage_config}
        ):
            raise ConfigError(f"PPHGNetV2.{key}: {message}")
        stem_rate, *stage_rates = lr_mult_list
        self.stem = StemBlock(*channels, last_stride=stem_stride, learning_rate=stem_rate)
        stages = stages_of(stage_config, FIELDS)
        self.stages = nn.LayerList(
            [
                HGStage(sizes, _block_builder(sizes, rate), rate)
                for sizes, rate in zip(stages, stage_rates, strict=True)
            ]
        )
        self.stage_channels = [sizes.out_channels for sizes in stages]
        if use_last_conv:
            attr = ParamAttr(initializer=nn.initializer.KaimingNormal())
            last_channels = self.stage_channels[-1]
            self.last_conv = build_conv(last_channels, class_expand, 1, weight_attr=attr)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report stages that do not follow one another."""
        stem_channels = options.get("stem_channels") or B4_STEM
        table = options.get("stage_config", B4_RECOGNITION)
        return problems_of_stages(table, FIELDS, stem_channels[-1])


class PPHGNetV2(_Stages):
    """PPHGNetV2 for text lines, by default in the size that PaddleOCR calls `PPHGNetV2_B4`.

    As in PaddleOCR the parameters of the classifier (`last_conv`, `fc`) belong to the network,
    though nothing reads them: checkpoints have them, and an exported model does not.

    Args:
        in_channels: C of the image.
        text_rec: this form, which a config has to name.
        det: the form with features at several scales, which is `PPHGNetV2MultiScale`.
        lr_mult_list: factors of the learning rate of the stem and of the four stages.
        use_last_conv: have `last_conv`.
        class_expand: channels of `last_conv`.
        class_num: outputs of `fc`.
        stem_channels: of the image, inside the stem, of its output.
        stage_config: `stage1` to `stage4`, each a row of in_channels, mid_channels, out_channels,
            block_num, is_downsample, light_block, kernel_size, layer_num, stride.

    Raises:
        ConfigError: on a table that does not fit together.

    Source: PaddleOCR `rec_pphgnetv2`; PP-OCRv5.
    """

    training_only: ClassVar[tuple[str, ...]] = ("last_conv", "fc")
    optional_state: ClassVar[dict[str, str]] = dict.fromkeys(training_only, _UNREAD)

    def __init__(
        self,
        in_channels: int = 3,
        *,
        text_rec: Literal[True],
        det: Literal[False] = False,
        lr_mult_list: Five = (1.0,) * 5,
        use_last_conv: bool = True,
        class_expand: int = 2048,
        class_num: int = 1000,
        stem_channels: tuple[int, int, int] | None = None,
        stage_config: StageTable = B4_RECOGNITION,
    ) -> None:
        super().__init__(
            in_channels, 1, lr_mult_list, use_last_conv, class_expand, stem_channels, stage_config
        )
        self.pool = PoolToRow()
        self.out_channels = self.stage_channels[-1]
        self.fc = nn.Linear(class_expand if use_last_conv else self.out_channels, class_num)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, 1, T], see `PoolToRow`."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.pool(x)


class PPHGNetV2MultiScale(_Stages):
    """PPHGNetV2 whose output is the features of its four stages.

    As in PaddleOCR `last_conv` belongs to the network, though nothing reads it.

    Args:
        in_channels, lr_mult_list, use_last_conv, class_expand, stem_channels, stage_config: as
            `PPHGNetV2` takes them.
        det: this form, which a config has to name.

    Raises:
        ConfigError: on a table that does not fit together.

    Source: PaddleOCR `rec_pphgnetv2` with `det`; PP-OCRv5.
    """

    training_only: ClassVar[tuple[str, ...]] = ("last_conv",)
    optional_state: ClassVar[dict[str, str]] = dict.fromkeys(training_only, _UNREAD)

    def __init__(
        self,
        in_channels: int = 3,
        *,
        det: Literal[True],
        text_rec: Literal[False] = False,
        lr_mult_list: Five = (1.0,) * 5,
        use_last_conv: bool = True,
        class_expand: int = 2048,
        stem_channels: tuple[int, int, int] | None = None,
        stage_config: StageTable = B4_MULTI_SCALE,
    ) -> None:
        super().__init__(
            in_channels, 2, lr_mult_list, use_last_conv, class_expand, stem_channels, stage_config
        )
        self.out_channels = self.stage_channels

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, ...]:
        """Map float32 [N, 3, H, W] to features at strides 4, 8, 16 and 32."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features)


def _block_builder(sizes: StageSizes, learning_rate: float) -> Callable[[int, bool], DenseBlock]:
    """Return what makes the blocks of a stage."""
    conv_bn_relu = partial(build_conv_bn, activation="relu", learning_rate=learning_rate)

    def build_layer(channels: int) -> nn.Layer:
        if sizes.light_block:
            return LightConv(channels, sizes.mid_channels, sizes.kernel_size, learning_rate)
        return conv_bn_relu(channels, sizes.mid_channels, sizes.kernel_size)

    def build(in_channels: int, has_shortcut: bool) -> DenseBlock:
        width, outputs = sizes.mid_channels, sizes.out_channels
        layers = [
            build_layer(in_channels),
            *[build_layer(width) for _ in range(sizes.layer_num - 1)],
        ]
        total = in_channels + sizes.layer_num * width
        aggregation = {
            "aggregation_squeeze_conv": conv_bn_relu(total, outputs // 2, 1),
            "aggregation_excitation_conv": conv_bn_relu(outputs // 2, outputs, 1),
        }
        return DenseBlock(layers, aggregation, has_shortcut)

    return build
