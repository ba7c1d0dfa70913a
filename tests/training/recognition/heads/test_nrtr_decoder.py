"""The layers of the Transformer decoder, against their formulas."""

from __future__ import annotations

import math

import numpy as np
import paddle
import pytest

from training.recognition.heads.nrtr_decoder import (
    CrossAttention,
    DecoderBlock,
    PositionalEncoding,
    ScaledEmbedding,
    SelfAttention,
    causal_mask,
)


def test_embedding_is_scaled_and_padding_is_nothing() -> None:
    layer = ScaledEmbedding(300, 64)
    vectors = layer(paddle.to_tensor([[5, 0]]))
    assert paddle.allclose(vectors[0, 0], 8 * layer.embedding.weight[5])
    assert not bool(vectors[0, 1].any())
    assert float(layer.embedding.weight.std()) == pytest.approx(64**-0.5, rel=0.02)


def test_positions_are_sines_and_cosines_that_are_saved() -> None:
    layer = PositionalEncoding(6, dropout=0.0)
    table = layer.state_dict()["pe"]
    assert list(table.shape) == [5000, 1, 6]
    for position, channel in ((0, 0), (0, 1), (7, 2), (31, 5)):
        angle = position / 10000 ** (channel // 2 * 2 / 6)
        wanted = math.cos(angle) if channel % 2 else math.sin(angle)
        assert float(table[position, 0, channel]) == pytest.approx(wanted, abs=1e-5)
    moved = layer(paddle.zeros([2, 4, 6]))
    assert bool((moved == table[:4, 0]).all())


def test_the_table_of_positions_has_the_type_of_the_network() -> None:
    paddle.set_default_dtype("float64")
    try:
        layer = PositionalEncoding(4, dropout=0.0)
    finally:
        paddle.set_default_dtype("float32")
    assert layer.pe.dtype == paddle.float64


def test_a_mask_hides_later_steps() -> None:
    wanted = [[0, -math.inf, -math.inf], [0, 0, -math.inf], [0, 0, 0]]
    assert causal_mask(3).tolist() == wanted


def test_attention_of_every_head() -> None:
    x, memory = paddle.randn([2, 3, 8]), paddle.randn([2, 5, 8])
    within, across = SelfAttention(8, 2), CrossAttention(8, 2)
    query, key, value = np.split(within.qkv(x).numpy(), 3, axis=2)
    attended = _attend(query, key, value, causal_mask(3).numpy())
    wanted = within.out_proj(paddle.to_tensor(attended))
    assert paddle.allclose(within(x, causal_mask(3)), wanted, atol=1e-5)
    key, value = np.split(across.kv(memory).numpy(), 2, axis=2)
    wanted = across.out_proj(paddle.to_tensor(_attend(across.q(x).numpy(), key, value, 0.0)))
    assert paddle.allclose(across(x, memory), wanted, atol=1e-5)


def _attend(query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: object) -> np.ndarray:
    """Attend with two heads of four channels each."""
    heads = []
    for start in (0, 4):
        part = slice(start, start + 4)
        scores = query[..., part] @ key[..., part].transpose(0, 2, 1) / 2.0 + mask
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        heads.append(weights @ value[..., part])
    return np.concatenate(heads, axis=2).astype(np.float32)


def test_a_block_normalises_after_each_sum_and_drops_out_in_training() -> None:
    block = DecoderBlock(8, num_heads=2, hidden_width=16, dropout=0.5)
    x, memory, mask = paddle.randn([2, 3, 8]), paddle.randn([2, 5, 8]), causal_mask(3)
    assert not bool((block(x, memory, mask) == block(x, memory, mask)).all())
    block.eval()
    wanted = block.norm1(x + block.self_attn(x, mask))
    wanted = block.norm2(wanted + block.cross_attn(wanted, memory))
    hidden = paddle.nn.functional.relu(block.mlp.fc1(wanted))
    wanted = block.norm3(wanted + block.mlp.fc2(hidden))
    assert paddle.allclose(block(x, memory, mask), wanted, atol=1e-5)
