"""Encoders by attention: the CTC branch's necks since PP-OCRv3, and the lighter one of PP-OCRv6."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import paddle
from paddle import ParamAttr, nn

from training.backbones.attention import (
    Attention,
    ConvNormActivation,
    MixingBlock,
    map_of,
    problem_of_heads,
    sequence_of,
)
from training.kernels import DepthwiseConv2D, normalise

_REDUCTION = 8
"""Of the channels, before attention and behind it."""


class _AttentionEncoder(nn.Layer):
    """Blocks of attention between all positions of a map, under PaddleOCR's names.

    Args:
        channels: C.
        depth: number of blocks.
        num_heads, qkv_bias, qk_scale, attn_drop_rate, drop_rate: of the attention.
        mlp_ratio, drop_path: of the blocks.
        use_guide: stop the gradient, so that the backbone learns from other branches alone.
    """

    takes_map: ClassVar[bool] = True

    def __init__(
        self,
        channels: int,
        depth: int,
        num_heads: int,
        qkv_bias: bool,
        mlp_ratio: float,
        drop_rate: float,
        attn_drop_rate: float,
        drop_path: float,
        qk_scale: float | None,
        use_guide: bool,
    ) -> None:
        super().__init__()
        self.use_guide = use_guide
        self.svtr_block = nn.LayerList(
            [
                MixingBlock(
                    channels,
                    Attention(channels, num_heads, qkv_bias, qk_scale, attn_drop_rate, drop_rate),
                    mlp_ratio,
                    nn.Swish,
                    drop_rate,
                    drop_path,
                    epsilon=1e-5,
                    normalizes_first=True,
                )
                for _ in range(depth)
            ]
        )
        self.norm = nn.LayerNorm(channels, epsilon=1e-6)

    def guided(self, features: paddle.Tensor) -> paddle.Tensor:
        """Return the features, with `use_guide` without their gradient."""
        return features.detach() if self.use_guide else features

    def attend(self, features: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to the same shape: every position has seen all others."""
        rows = features.shape[2]
        x = sequence_of(features)
        for block in self.svtr_block:
            x = block(x, rows)
        return map_of(self.norm(x), rows)


class EncoderWithSVTR(_AttentionEncoder):
    """Attention at few channels, and a convolution over its output beside its input.

    Args:
        in_channels: C of the map.
        dims: C of the output.
        depth: number of attention blocks.
        hidden_dims: their channels.
        use_guide: stop the gradient, so that the backbone learns from the other branch alone.
        num_heads, qkv_bias, mlp_ratio, qk_scale: of the blocks.
        drop_rate, attn_drop_rate, drop_path: of dropout in them, on attention, of whole branches.
        kernel_size: height and width of the convolutions around the attention, odd.

    Source: Li et al. 2022, PP-OCRv3 (arXiv:2206.03001); PaddleOCR `necks/rnn`.
    """

    def __init__(
        self,
        in_channels: int,
        dims: int = 64,
        depth: int = 2,
        hidden_dims: int = 120,
        use_guide: bool = False,
        num_heads: int = 8,
        qkv_bias: bool = True,
        mlp_ratio: float = 2.0,
        drop_rate: float = 0.1,
        attn_drop_rate: float = 0.1,
        drop_path: float = 0.0,
        kernel_size: tuple[int, int] = (3, 3),
        qk_scale: float | None = None,
    ) -> None:
        super().__init__(
            *(hidden_dims, depth, num_heads, qkv_bias, mlp_ratio),
            *(drop_rate, attn_drop_rate, drop_path, qk_scale, use_guide),
        )
        self.out_channels = dims
        reduced = in_channels // _REDUCTION
        padding = [size // 2 for size in kernel_size]
        self.conv1 = ConvNormActivation(
            in_channels, reduced, kernel_size, padding=padding, activation=nn.Swish
        )
        self.conv2 = ConvNormActivation(reduced, hidden_dims, 1, activation=nn.Swish)
        self.conv3 = ConvNormActivation(hidden_dims, in_channels, 1, activation=nn.Swish)
        self.conv4 = ConvNormActivation(
            2 * in_channels, reduced, kernel_size, padding=padding, activation=nn.Swish
        )
        self.conv1x1 = ConvNormActivation(reduced, dims, 1, activation=nn.Swish)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report heads or kernels that do not fit."""
        found = list(_problems_of_heads("hidden_dims", 120, options))
        kernel = options.get("kernel_size", (3, 3))
        if any(size % 2 == 0 for size in kernel):
            found.append(("kernel_size", f"expected odd sizes, got {list(kernel)}"))
        return found

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, dims, H, W]."""
        x = self.guided(x)
        attended = self.conv3(self.attend(self.conv2(self.conv1(x))))
        return self.conv1x1(self.conv4(paddle.concat([x, attended], axis=1)))


class EncoderWithLightSVTR(_AttentionEncoder):
    """Attention behind a convolution along the line, and a shortcut of one linear layer.

    Args:
        in_channels: C of the map.
        dims: C of the output, and of the attention.
        depth: number of attention blocks.
        num_heads, qkv_bias, mlp_ratio, qk_scale: of the blocks.
        drop_rate, attn_drop_rate, drop_path: of dropout in them, on attention, of whole branches.
        local_kernel: width of the convolution before the attention, odd.
        use_guide: stop the gradient, so that the backbone learns from the other branch alone.

    Source: PaddleOCR `necks/rnn`, of PP-OCRv6.
    """

    def __init__(
        self,
        in_channels: int,
        dims: int = 64,
        depth: int = 1,
        num_heads: int = 8,
        qkv_bias: bool = True,
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.1,
        attn_drop_rate: float = 0.1,
        drop_path: float = 0.0,
        qk_scale: float | None = None,
        local_kernel: int = 7,
        use_guide: bool = False,
    ) -> None:
        super().__init__(
            *(dims, depth, num_heads, qkv_bias, mlp_ratio),
            *(drop_rate, attn_drop_rate, drop_path, qk_scale, use_guide),
        )
        self.out_channels = dims
        self.conv_reduce = ConvNormActivation(in_channels, dims, 1, activation=nn.Swish)
        along_line = DepthwiseConv2D(
            dims,
            dims,
            [1, local_kernel],
            padding=[0, local_kernel // 2],
            groups=dims,
            weight_attr=ParamAttr(initializer=nn.initializer.KaimingNormal()),
            bias_attr=False,
        )
        self.local_conv = nn.Sequential(along_line, nn.BatchNorm2D(dims), nn.Swish())
        self.skip_conv = ConvNormActivation(in_channels, dims, 1, activation=nn.Swish)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report heads or kernels that do not fit."""
        found = list(_problems_of_heads("dims", 64, options))
        if options.get("local_kernel", 7) % 2 == 0:
            message = f"expected an odd width, got {options['local_kernel']}"
            found.append(("local_kernel", message))
        return found

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, dims, H, W]."""
        x = self.guided(x)
        reduced = self.conv_reduce(x)
        along_line, norm, _ = self.local_conv
        local = normalise(along_line(reduced), norm, "swish")
        return self.attend(reduced + local) + self.skip_conv(x)


def _problems_of_heads(
    key: str, default: int, options: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Report a number of channels, under its key, that cannot be shared out among the heads."""
    message = problem_of_heads(options.get(key, default), options.get("num_heads", 8))
    if message is not None:
        yield key, message
