"""The blocks of the SVTR family, held against their definitions."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from training.backbones.attention import (
    MLP,
    Attention,
    ConvMixer,
    DropPath,
    MixingBlock,
    map_of,
    problem_of_heads,
    sequence_of,
)

EXACT = 1e-5


def test_a_sequence_goes_row_by_row_and_back() -> None:
    features = paddle.randn([2, 5, 3, 4])
    sequence = sequence_of(features)
    assert bool((sequence[:, 1 * 4 + 2] == features[:, :, 1, 2]).all())
    assert bool((map_of(sequence, rows=3) == features).all())


@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_is_its_definition(scale: float | None) -> None:
    layer = Attention(6, num_heads=2, scale=scale)
    x = paddle.randn([2, 5, 6])
    rows = x.numpy() @ layer.qkv.weight.numpy() + layer.qkv.bias.numpy()
    # The heads lie one behind another within queries, within keys, within values.
    query, key, value = rows.reshape(2, 5, 3, 2, 3).transpose(2, 0, 3, 1, 4)
    scores = np.exp(query @ key.swapaxes(2, 3) * (scale or 3**-0.5))
    mixed = (scores / scores.sum(axis=3, keepdims=True)) @ value
    merged = mixed.transpose(0, 2, 1, 3).reshape(2, 5, 6)
    wanted = merged @ layer.proj.weight.numpy() + layer.proj.bias.numpy()
    assert np.abs(layer(x).numpy() - wanted).max() < EXACT


@pytest.mark.parametrize("window", [(3, 5), (2, 4)])
def test_a_window_hides_what_is_further_away(window: tuple[int, int]) -> None:
    rows, columns = 4, 6
    layer = Attention(2, num_heads=1, map_size=(rows, columns), window=window)
    layer.eval()
    x = paddle.randn([1, rows * columns, 2])
    x.stop_gradient = False
    row, column = 2, 3
    layer(x)[0, row * columns + column].sum().backward()
    reached = (np.abs(x.grad.numpy()) > 1e-20).reshape(rows, columns, 2).any(axis=2)
    # An even window reaches one further up and to the left, as PaddleOCR's does.
    wanted = np.zeros((rows, columns), bool)
    top, left = row - window[0] // 2, column - window[1] // 2
    wanted[max(0, top) : top + window[0], max(0, left) : left + window[1]] = True
    assert (reached == wanted).all()
    assert "mask" not in layer.state_dict()


def test_a_convolution_mixes_the_map_of_a_sequence() -> None:
    mixer = ConvMixer(4, num_groups=2, kernel_size=(3, 5))
    features = paddle.randn([2, 4, 3, 7])
    wanted = nn.functional.conv2d(features, mixer.weight, mixer.bias, padding=[1, 2], groups=2)
    assert paddle.allclose(map_of(mixer(sequence_of(features), rows=3), 3), wanted, atol=1e-6)


def test_dropped_paths_are_whole_samples_and_the_rest_is_scaled_up() -> None:
    layer = DropPath(0.25)
    x = paddle.ones([4000, 2, 3])
    paddle.seed(1)
    kept = layer(x).numpy()
    assert set(np.unique(kept)) == {np.float32(0.0), np.float32(1 / 0.75)}
    assert (kept == kept[:, :1, :1]).all()
    assert abs((kept[:, 0, 0] > 0).mean() - 0.75) < 0.03
    layer.eval()
    assert layer(x) is x


@pytest.mark.parametrize("normalizes_first", [True, False])
def test_a_block_normalises_before_its_branches_or_behind_their_sums(
    normalizes_first: bool,
) -> None:
    mixer = Attention(4, num_heads=2)
    block = MixingBlock(4, mixer, 2.0, nn.Swish, normalizes_first=normalizes_first)
    x = paddle.randn([2, 5, 4])
    if normalizes_first:
        mixed = x + mixer(block.norm1(x))
        wanted = mixed + block.mlp(block.norm2(mixed))
    else:
        mixed = block.norm1(x + mixer(x))
        wanted = block.norm2(mixed + block.mlp(mixed))
    assert paddle.allclose(block(x, rows=1), wanted, atol=1e-6)


def test_weights_start_as_paddleocr_s() -> None:
    paddle.seed(2)
    mlp = MLP(200, 400, nn.GELU, drop_rate=0.0)
    weight = mlp.fc1.weight.numpy()
    assert abs(weight.std() - 0.02) < 0.0005 and abs(weight.mean()) < 0.0005
    assert not mlp.fc1.bias.numpy().any()


def test_a_layer_without_bias_has_none() -> None:
    assert Attention(4, num_heads=2, has_bias=False).qkv.bias is None


def test_channels_are_shared_out_among_heads() -> None:
    assert problem_of_heads(12, 4) is None
    assert problem_of_heads(12, 8) == "expected a multiple of the 8 heads, got 12"
    assert problem_of_heads(12, 0) is not None
