"""Merged kernels compute what the layers they replace did."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from training.backbones.reparameterise import (
    folded,
    identity_kernel,
    merged_conv,
    padded,
)


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
