"""Blocks of the SVTR family: attention or convolution between positions, then a perceptron.

Features travel as a sequence [N, L, C] of the L = H W positions of a map, row by row, together
with the number of its rows H. Batch and width may be open while a network is traced: every shape
here is given by C and H alone.

Source: Du et al. 2022, SVTR (arXiv:2205.00159); PaddleOCR `rec_svtrnet`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from paddle import ParamAttr, nn
from paddle.nn import functional as F

from training.kernels import Activation, Linear, PointwiseConv2D, normalise, transpose

_HIDDEN_SCORE = -1e3
"""Added to scores outside the window: no weight is left, and float16 has room for it."""


def sequence_of(features: paddle.Tensor) -> paddle.Tensor:
    """Map [N, C, H, W] to [N, H W, C], row by row."""
    return transpose(features.reshape([0, 0, -1]), [0, 2, 1])


def map_of(sequence: paddle.Tensor, rows: int) -> paddle.Tensor:
    """Map [N, H W, C] back to [N, C, H, W], with H = `rows`."""
    return transpose(sequence, [0, 2, 1]).reshape([0, 0, rows, -1])


def constant(values: np.ndarray) -> paddle.Tensor:
    """Return values as a tensor of the type that parameters are made in."""
    return paddle.to_tensor(values, dtype=paddle.get_default_dtype())


def problem_of_heads(width: int, num_heads: int) -> str | None:
    """Report a width that cannot be shared out among the heads; None if it can."""
    if num_heads >= 1 and width % num_heads == 0:
        return None
    return f"expected a multiple of the {num_heads} heads, got {width}"


class ConvNormActivation(nn.Layer):
    """Convolution, BatchNorm, activation.

    Args:
        in_channels, out_channels, kernel_size, stride, padding: of the convolution.
        activation: `nn.GELU` or `nn.Swish`.
        has_bias: give the convolution a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int = 1,
        padding: int | Sequence[int] = 0,
        activation: type[nn.Layer] = nn.GELU,
        has_bias: bool = False,
    ) -> None:
        super().__init__()
        conv = PointwiseConv2D if kernel_size == 1 else nn.Conv2D
        self.conv = conv(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            weight_attr=ParamAttr(initializer=nn.initializer.KaimingUniform()),
            bias_attr=None if has_bias else False,
        )
        self.norm = nn.BatchNorm2D(out_channels)
        self.act_name: Activation = "gelu" if activation is nn.GELU else "swish"

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        return normalise(self.conv(x), self.norm, self.act_name)


class DropPath(nn.Layer):
    """Drops the branch of a whole sample in training and scales up what stays.

    Args:
        drop_prob: probability of dropping.

    Source: Huang et al. 2016, stochastic depth (arXiv:1603.09382).
    """

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, L, C] to the same shape, whole samples of it 0 in training."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        kept = F.dropout(paddle.ones([x.shape[0], 1, 1], x.dtype), self.drop_prob)
        return x * kept


class MLP(nn.Layer):
    """Two linear layers with an activation between them.

    Args:
        channels: C of input and output.
        hidden_channels: between the layers.
        activation: class of the activation.
        drop_rate: of dropout behind each layer.
    """

    def __init__(
        self, channels: int, hidden_channels: int, activation: type[nn.Layer], drop_rate: float
    ) -> None:
        super().__init__()
        self.fc1 = build_linear(channels, hidden_channels)
        self.act = activation()
        self.fc2 = build_linear(hidden_channels, channels)
        self.drop = nn.Dropout(drop_rate)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, L, C] to the same shape."""
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


class Attention(nn.Layer):
    """Multi-head self-attention, between all positions or within a window around each.

    Args:
        channels: C.
        num_heads: a divisor of C.
        has_bias: give queries, keys and values a bias.
        scale: of the scores; None for 1 / sqrt(C / num_heads).
        attention_drop_rate, drop_rate: of dropout on the weights and on the output.
        map_size: H and W of the features; only with a window.
        window: its height and width in positions; None for all positions.

    Source: Vaswani et al. 2017 (arXiv:1706.03762).
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        has_bias: bool = True,
        scale: float | None = None,
        attention_drop_rate: float = 0.0,
        drop_rate: float = 0.0,
        map_size: tuple[int, int] | None = None,
        window: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.num_heads = channels, num_heads
        self.head_channels = channels // num_heads
        self.scale = scale or self.head_channels**-0.5
        self.qkv = build_linear(channels, 3 * channels, has_bias)
        self.attn_drop = nn.Dropout(attention_drop_rate)
        self.proj = build_linear(channels, channels)
        self.proj_drop = nn.Dropout(drop_rate)
        self.has_window = map_size is not None and window is not None
        if map_size is not None and window is not None:
            mask = constant(_window_mask(map_size, window))
            self.register_buffer("mask", mask, persistable=False)

    def forward(self, x: paddle.Tensor, rows: int = 1) -> paddle.Tensor:
        """Map float32 [N, L, C] to the same shape; `rows` is not used."""
        parts = self.qkv(x).reshape([0, -1, 3, self.num_heads, self.head_channels])
        query, key, value = transpose(parts, [2, 0, 3, 1, 4]).unbind(0)
        scores = paddle.matmul(query * self.scale, key, transpose_y=True)
        if self.has_window:
            scores = scores + self.mask
        weights = self.attn_drop(F.softmax(scores, axis=-1))
        mixed = transpose(paddle.matmul(weights, value), [0, 2, 1, 3])
        return self.proj_drop(self.proj(mixed.reshape([0, -1, self.channels])))


class ConvMixer(nn.Conv2D):
    """Grouped convolution over the map of a sequence, in the place of attention.

    Args:
        channels: C.
        num_groups: a divisor of C.
        kernel_size: height and width, odd.
    """

    def __init__(self, channels: int, num_groups: int, kernel_size: tuple[int, int]) -> None:
        super().__init__(
            channels,
            channels,
            kernel_size,
            padding=[size // 2 for size in kernel_size],
            groups=num_groups,
            weight_attr=ParamAttr(initializer=nn.initializer.KaimingNormal()),
        )

    def forward(self, x: paddle.Tensor, rows: int) -> paddle.Tensor:
        """Map float32 [N, rows W, C] to the same shape."""
        return sequence_of(super().forward(map_of(x, rows)))


class MixingBlock(nn.Layer):
    """Mixing between positions, then a perceptron at each; both with a shortcut and LayerNorm.

    Args:
        channels: C.
        mixer: takes the sequence and the number of its rows.
        mlp_ratio: hidden channels of the perceptron, as a multiple of C.
        activation: class of the perceptron's activation.
        drop_rate: of dropout in the perceptron.
        drop_path_rate: of dropping a whole branch.
        epsilon: of LayerNorm.
        normalizes_first: normalise what enters a branch; else the sum behind it. PaddleOCR's
            option `prenorm` is the opposite of its name: true normalises the sum.
    """

    def __init__(
        self,
        channels: int,
        mixer: nn.Layer,
        mlp_ratio: float,
        activation: type[nn.Layer],
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        epsilon: float = 1e-6,
        normalizes_first: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, epsilon=epsilon)
        self.mixer = mixer
        self.drop_path = DropPath(drop_path_rate)
        self.norm2 = nn.LayerNorm(channels, epsilon=epsilon)
        self.mlp = MLP(channels, int(channels * mlp_ratio), activation, drop_rate)
        self.normalizes_first = normalizes_first

    def forward(self, x: paddle.Tensor, rows: int) -> paddle.Tensor:
        """Map float32 [N, rows W, C] to the same shape."""
        if self.normalizes_first:
            x = x + self.drop_path(self.mixer(self.norm1(x), rows))
            return x + self.drop_path(self.mlp(self.norm2(x)))
        x = self.norm1(x + self.drop_path(self.mixer(x, rows)))
        return self.norm2(x + self.drop_path(self.mlp(x)))


def build_linear(in_channels: int, out_channels: int, has_bias: bool = True) -> nn.Linear:
    """Build a linear layer whose weights start from a normal distribution of deviation 0.02.

    PaddleOCR calls it truncated; paddle does so at 2.0, a hundred deviations away.
    """
    return Linear(
        in_channels,
        out_channels,
        weight_attr=ParamAttr(initializer=nn.initializer.TruncatedNormal(std=0.02)),
        bias_attr=None if has_bias else False,
    )


def _window_mask(map_size: tuple[int, int], window: tuple[int, int]) -> np.ndarray:
    """Return what is added to the scores [1, 1, H W, H W]: 0 inside the windows."""
    is_near = []
    for size, extent in zip(map_size, window, strict=True):
        offsets = np.arange(size) - np.arange(size)[:, None]
        is_near.append((-(extent // 2) <= offsets) & (offsets < extent - extent // 2))
    return np.where(np.kron(*is_near), 0.0, _HIDDEN_SCORE)[None, None]
