"""Patches halve what they should, and merging changes the rows alone."""

from __future__ import annotations

import paddle
import pytest
from paddle import nn

from training.backbones.attention import sequence_of
from training.backbones.patches import ConvMerging, PoolMerging, patch_convs


@pytest.mark.parametrize(("num_halvings", "widths"), [(2, [8, 16]), (3, [4, 8, 16])])
def test_every_convolution_halves_the_size_and_doubles_the_width(
    num_halvings: int, widths: list[int]
) -> None:
    layers = patch_convs(3, 16, num_halvings)
    x = paddle.randn([1, 3, 32, 64])
    for layer, width in zip(layers, widths, strict=True):
        height = x.shape[2]
        x = layer(x)
        assert x.shape[1:3] == [width, height // 2]


@pytest.mark.parametrize("kind", [ConvMerging, PoolMerging])
def test_merging_returns_what_it_left_of_the_rows(kind: type[nn.Layer]) -> None:
    merged, rows = kind(4, 6)(paddle.randn([2, 6 * 5, 4]), 6)
    assert merged.shape == [2, 3 * 5, 6] and rows == 3


def test_pool_merging_is_the_mean_of_both_pools() -> None:
    layer = PoolMerging(4, 4)
    layer.proj.weight.set_value(paddle.eye(4))
    features = paddle.randn([1, 4, 4, 5])
    average = nn.functional.avg_pool2d(features, [3, 5], [2, 1], [1, 2])
    largest = nn.functional.max_pool2d(features, [3, 5], [2, 1], [1, 2])
    wanted = layer.norm(sequence_of((average + largest) / 2))
    assert paddle.allclose(layer(sequence_of(features), 4)[0], wanted, atol=1e-6)
