"""Layers of a Transformer decoder, which predicts each symbol from those before it and an image."""

from __future__ import annotations

import math
from typing import ClassVar

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.kernels import Linear, transpose

_MAX_STEPS = 5000
_LONGEST_WAVE = 10000.0


class ScaledEmbedding(nn.Layer):
    """Vectors of symbols, multiplied by the root of their width.

    Args:
        num_symbols: how many symbols there are; symbol 0 is padding, whose vector is 0.
        width: C of the vectors.
    """

    def __init__(self, num_symbols: int, width: int) -> None:
        super().__init__()
        attr = paddle.ParamAttr(initializer=nn.initializer.Normal(0.0, width**-0.5))
        self.embedding = nn.Embedding(num_symbols, width, padding_idx=0, weight_attr=attr)
        self.scale = math.sqrt(width)

    def forward(self, symbols: paddle.Tensor) -> paddle.Tensor:
        """Map int64 [N, L] to float32 [N, L, C]."""
        return self.embedding(symbols) * self.scale


class PositionalEncoding(nn.Layer):
    """Adds sines and cosines of the position, then drops out.

    The table `pe`, float32 [5000, 1, C], is part of the state as in PaddleOCR's checkpoints.
    """

    optional_state: ClassVar[dict[str, str]] = {"pe": "the table follows from its width"}

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        # float32 throughout: far positions differ in the fourth digit from exact sines, and
        # checkpoints hold these.
        positions = paddle.arange(_MAX_STEPS, dtype="float32").unsqueeze(1)
        exponents = paddle.arange(0, width, 2).astype("float32")
        angles = positions * paddle.exp(exponents * (-math.log(_LONGEST_WAVE) / width))
        waves = paddle.stack([paddle.sin(angles), paddle.cos(angles)], axis=2)
        table = waves.reshape([_MAX_STEPS, 1, width]).astype(paddle.get_default_dtype())
        self.register_buffer("pe", table)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, L, C] to the same shape."""
        return self.dropout(x + self.pe[: x.shape[1]].transpose([1, 0, 2]))


class SelfAttention(nn.Layer):
    """Several heads of attention within one sequence.

    Args:
        width: C of the sequence.
        num_heads: a divisor of C.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.qkv = Linear(width, 3 * width)
        self.out_proj = Linear(width, width)
        self.num_heads = num_heads

    def forward(self, x: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, L, C] to the same shape; `mask` [L, L] is added to the scores."""
        query, key, value = _split_heads(self.qkv(x), 3, self.num_heads)
        return self.out_proj(_attend(query, key, value, mask))


class CrossAttention(nn.Layer):
    """Several heads of attention from one sequence to another; arguments as `SelfAttention`."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.q = Linear(width, width)
        self.kv = Linear(width, 2 * width)
        self.out_proj = Linear(width, width)
        self.num_heads = num_heads

    def forward(self, x: paddle.Tensor, memory: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, L, C], looking at `memory` float32 [N, T, C], to [N, L, C]."""
        (query,) = _split_heads(self.q(x), 1, self.num_heads)
        key, value = _split_heads(self.kv(memory), 2, self.num_heads)
        return self.out_proj(_attend(query, key, value))


class FeedForward(nn.Layer):
    """Two linear layers, ReLU between them, dropout behind each."""

    def __init__(self, width: int, hidden_width: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden_width)
        self.fc2 = Linear(hidden_width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, L, C] to the same shape."""
        hidden = self.dropout(F.relu(self.fc1(x)))
        return self.dropout(self.fc2(hidden))


class DecoderBlock(nn.Layer):
    """Self-attention, cross-attention and feed-forward, each added and then normalised.

    Args:
        width: C.
        num_heads: of both attentions.
        hidden_width: of the feed-forward layers.
        dropout: probability, before each sum and in the feed-forward layers.
    """

    def __init__(self, width: int, num_heads: int, hidden_width: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = SelfAttention(width, num_heads)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn = CrossAttention(width, num_heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, hidden_width, dropout)
        self.norm3 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: paddle.Tensor, memory: paddle.Tensor, mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Map float32 [N, L, C], looking at `memory` [N, T, C], to [N, L, C]."""
        x = self.norm1(x + self.dropout(self.self_attn(x, mask)))
        x = self.norm2(x + self.dropout(self.cross_attn(x, memory)))
        return self.norm3(x + self.dropout(self.mlp(x)))


def causal_mask(num_steps: int) -> paddle.Tensor:
    """Return float32 [L, L], -inf where a step (row) would see a later one (column), else 0."""
    return paddle.triu(paddle.full([num_steps, num_steps], -math.inf), diagonal=1)


def _split_heads(x: paddle.Tensor, count: int, num_heads: int) -> list[paddle.Tensor]:
    """Cut [N, L, count * C] into `count` tensors [N, heads, L, C / heads]."""
    num_steps, channels = x.shape[1:]
    shape = [-1, num_steps, count, num_heads, channels // (count * num_heads)]
    return list(transpose(x.reshape(shape), [2, 0, 3, 1, 4]).unbind())


def _attend(
    query: paddle.Tensor,
    key: paddle.Tensor,
    value: paddle.Tensor,
    mask: paddle.Tensor | None = None,
) -> paddle.Tensor:
    """Average values by the softmax of query times key: [N, heads, L, d] to [N, L, heads * d]."""
    _, num_heads, num_steps, head_width = query.shape
    scores = paddle.matmul(query, key, transpose_y=True) * head_width**-0.5
    weights = F.softmax(scores if mask is None else scores + mask, axis=-1)
    heads = transpose(paddle.matmul(weights, value), [0, 2, 1, 3])
    return heads.reshape([-1, num_steps, num_heads * head_width])
