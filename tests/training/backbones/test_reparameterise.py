"""Merged kernels compute what the layers they replace did."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import paddle
import pytest
from paddle import nn

from training.backbones.pplcnet_v3_layers import LearnableRepLayer
from training.backbones.pplcnet_v4 import ConvBNReLU, RepDWConv
from training.backbones.reparameterise import (
    folded,
    identity_kernel,
    merged_conv,
    padded,
    reparameterise,
    separate,
)
from training.backbones.repvit import ConvBN, MergingSequential
from training.detection.heads.map_branch import MapBranch
from training.detection.necks.dilated import DilatedReparamConv


def _moved(norm: nn.BatchNorm2D) -> nn.BatchNorm2D:
    for tensor, low in ((norm.weight, 0.5), (norm.bias, -1.0), (norm._mean, -1.0)):
        tensor.set_value(paddle.uniform(tensor.shape, min=low, max=2.0))
    norm._variance.set_value(paddle.uniform(norm._variance.shape, min=0.2, max=2.0))
    norm.eval()
    return norm


def test_a_convolution_takes_up_the_batch_norm_behind_it() -> None:
    conv = nn.Conv2D(6, 6, 3, stride=2, padding=1, groups=3)
    norm = _moved(nn.BatchNorm2D(6))
    merged = merged_conv(conv, *folded(conv, norm))
    x = paddle.randn([2, 6, 9, 11])
    assert np.allclose(norm(conv(x)).numpy(), merged(x).numpy(), atol=1e-5)
    assert not merged.training


def test_so_does_a_transposed_one() -> None:
    conv = nn.Conv2DTranspose(4, 6, 2, stride=2)
    norm = _moved(nn.BatchNorm2D(6))
    kernel, bias = folded(conv, norm, output_axis=1)
    x = paddle.randn([1, 4, 5, 5])
    wanted = norm(conv(x)).numpy()
    conv.weight.set_value(paddle.to_tensor(kernel.astype(np.float32)))
    conv.bias.set_value(paddle.to_tensor(bias.astype(np.float32)))
    assert np.allclose(wanted, conv(x).numpy(), atol=1e-5)


def test_branches_become_one_kernel() -> None:
    wide, narrow = nn.Conv2D(4, 4, (3, 5), padding=(1, 2), groups=2), nn.Conv2D(4, 4, 1, groups=2)
    x = paddle.randn([1, 4, 7, 8])
    wanted = (wide(x) + narrow(x) + x).numpy()
    kernel = wide.weight.numpy() + padded(narrow.weight.numpy(), (3, 5))
    kernel = kernel + identity_kernel(4, 2, (3, 5))
    merged = merged_conv(wide, kernel, wide.bias.numpy() + narrow.bias.numpy())
    assert np.allclose(wanted, merged(x).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "build",
    [
        lambda: LearnableRepLayer(8, 8, 3, groups=8, num_branches=3),
        lambda: LearnableRepLayer(8, 8, 1, num_branches=2),
        lambda: ConvBNReLU(8, 8, 3),
        lambda: RepDWConv(8, 3),
        lambda: MergingSequential(ConvBN(8, 8), nn.GELU(), ConvBN(8, 8, 3, 2)),
        lambda: MapBranch(8),
        lambda: DilatedReparamConv(8, 8, 7),
    ],
    ids=["branches", "pointwise", "convolution", "depthwise", "row", "map", "dilated"],
)
def test_a_merged_layer_comes_apart_again(build: Callable[[], nn.Layer]) -> None:
    """Into one that computes the same, and merges to the same kernels."""
    paddle.seed(4)
    merged, apart = nn.Sequential(build()), nn.Sequential(build())
    for norm in merged.sublayers():
        if isinstance(norm, nn.BatchNorm2D):
            _moved(norm)
    merged.eval()
    reparameterise(merged)
    separate(apart, merged)
    apart.eval()
    x = paddle.randn([2, 8, 12, 16])
    wanted = merged(x).numpy()
    assert np.abs(wanted).max() > 0.01
    assert np.allclose(wanted, apart(x).numpy(), atol=1e-5)
    again = copy.deepcopy(apart)
    reparameterise(again)
    state = merged.state_dict()
    for name, tensor in again.state_dict().items():
        assert np.allclose(tensor.numpy(), state[name].numpy(), atol=1e-5)
