"""RepSVTR, the small backbone beside SVTRv2: RepViT for text lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.backbones.repvit import (
    ConvBN,
    DepthwiseBranches,
    MergingSequential,
    build_channel_mixer,
)

_CONV = "c"
"""PaddleOCR's name of the convolution in a ConvBN here."""
_KERNEL_SIZE = 3
_POOLED_COLUMNS = 2


@dataclass(frozen=True)
class _Stage:
    """Blocks of one width; `gates` has one letter a block, `g` for squeeze-excitation.

    The first block has the stride and changes the width.
    """

    channels: int
    gates: str
    stride: int | Sequence[int] = 1


_RECOGNITION_STAGES = (
    _Stage(96, "g--"),
    _Stage(192, "-g-g-g-", (2, 1)),
    _Stage(384, "-g-", (2, 1)),
)


class SigmoidGates(nn.Layer):
    """Channel gates from the global average (Hu et al. 2018), with a sigmoid.

    Args:
        channels: C; a quarter of them, rounded to a multiple of 8, is what the gates follow from.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = max(8, int(channels / 4 + 4) // 8 * 8)
        self.fc1 = nn.Conv2D(channels, reduced, 1)
        self.fc2 = nn.Conv2D(reduced, channels, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Scale each channel by its gate: float32 [N, C, H, W] to the same shape."""
        gates = F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))
        return x * F.sigmoid(self.fc2(gates))


class RepVGGDW(DepthwiseBranches):
    """Depthwise branches that merge into one convolution in their own place."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, _KERNEL_SIZE, conv_name=_CONV, has_bias=True)

    def merged(self) -> nn.Conv2D:
        """Return one convolution with a bias that computes the same in evaluation."""
        return self.branches_as_one()


class Residual(nn.Layer):
    """Adds its input to what a layer `m` makes of it."""

    def __init__(self, m: nn.Layer) -> None:
        super().__init__()
        self.m = m

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to the same shape."""
        return x + self.m(x)


class RepViTBlock(nn.Layer):
    """Token mixer (depthwise, gates), channel mixer (pointwise) with a shortcut.

    Args:
        in_channels: C.
        out_channels: C'; differs from C with a stride alone.
        stride: pixels.
        has_gates: whether squeeze-excitation follows the depthwise convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int | Sequence[int], has_gates: bool
    ) -> None:
        super().__init__()
        gates = SigmoidGates(in_channels) if has_gates else nn.Identity()
        if stride == 1:
            self.token_mixer = MergingSequential(RepVGGDW(in_channels), gates)
        else:
            depthwise = ConvBN(
                in_channels, in_channels, _KERNEL_SIZE, stride, groups=in_channels, conv_name=_CONV
            )
            widen = ConvBN(in_channels, out_channels, conv_name=_CONV)
            self.token_mixer = MergingSequential(depthwise, gates, widen)
        mixer = build_channel_mixer(out_channels, out_channels, has_shortcut=True, conv_name=_CONV)
        self.channel_mixer = Residual(MergingSequential(*mixer))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C', H', W']."""
        return self.channel_mixer(self.token_mixer(x))


class RepSVTR(nn.Layer):
    """RepViT with strides that shrink the height, for text lines.

    Args:
        in_channels: C of the image, 3.

    Source: Wang et al. 2023, RepViT (arXiv:2307.09283); PaddleOCR `rec_repvit`.
    """

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        channels = _RECOGNITION_STAGES[0].channels
        stem = MergingSequential(
            ConvBN(in_channels, channels // 2, 3, 2, conv_name=_CONV),
            nn.GELU(),
            ConvBN(channels // 2, channels, 3, 2, conv_name=_CONV),
        )
        layers: list[nn.Layer] = [stem]
        for stage in _RECOGNITION_STAGES:
            for number, letter in enumerate(stage.gates):
                stride = 1 if number else stage.stride
                layers.append(RepViTBlock(channels, stage.channels, stride, letter == "g"))
                channels = stage.channels
        self.features = nn.LayerList(layers)
        self.out_channels = channels

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, 1, W / 8]."""
        for layer in self.features:
            x = layer(x)
        return F.avg_pool2d(x, [x.shape[2], _POOLED_COLUMNS])
