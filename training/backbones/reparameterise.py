"""Leaves out what only training needs, and merges what training keeps apart.

A layer that can be merged has a method `reparameterise()`, which changes it in place and leaves
one convolution with a bias under PaddleOCR's name; one with parts that only training runs names
them in `training_only`. A method `separate(merged)` goes the way back: the layer takes kernel and
bias of its merged form, and what is beside the kernel's own branch starts without effect. Kernels
are computed in float32 as PaddleOCR computes them, so that the merged network is PaddleOCR's to the
bit. The mathematics: in evaluation BatchNorm is an affine map, a convolution with smaller kernel is
one with zeros around it, and convolutions of one input that are added are one convolution (Ding et
al. 2021, RepVGG, arXiv:2101.03697).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import paddle
from paddle import nn

Kernel = npt.NDArray[np.float32]


def drop_training_parts(network: nn.Layer) -> list[str]:
    """Delete the layers that a deployed network does not run; return their names."""
    dropped = []
    for path, layer in network.named_sublayers(include_self=True):
        for name in getattr(layer, "training_only", ()):
            if name in layer._sub_layers:
                del layer._sub_layers[name]
                dropped.append(f"{path}.{name}".lstrip("."))
    return dropped


def reparameterise(network: nn.Layer) -> int:
    """Merge every layer of a network that can be; return how many were.

    Args:
        network: in evaluation mode; its outputs there change by rounding only.
    """
    layers = [layer for layer in network.sublayers() if hasattr(layer, "reparameterise")]
    for layer in layers:
        layer.reparameterise()
    return len(layers)


def separate(network: nn.Layer, merged: nn.Layer) -> None:
    """Give a network whose branches are apart what its merged form computes in evaluation.

    Every BatchNorm that merging swallows lets its input pass; parts that the merged form lacks stay
    as they are.

    Args:
        network: of branches.
        merged: of the same config, after `reparameterise`.
    """
    values = merged.state_dict()
    for name, tensor in network.state_dict().items():
        if name in values:
            tensor.set_value(values[name])
    inside = dict(merged.named_sublayers(include_self=True))
    for path, layer in network.named_sublayers():
        if hasattr(layer, "separate") and path in inside:
            layer.separate(inside[path])


def let_pass(norm: nn.Layer, shift: Kernel | float = 0.0, scale: float = 1.0) -> None:
    """Let a BatchNorm in evaluation multiply by `scale` and add `shift` [C] alone."""
    shape = norm.weight.shape
    for tensor, value in (
        (norm._mean, 0.0),
        (norm._variance, 1.0 - norm._epsilon),
        (norm.weight, scale),
        (norm.bias, shift),
    ):
        tensor.set_value(np.broadcast_to(np.asarray(value, np.float32), shape))


def unfold(conv: nn.Layer, norm: nn.Layer, merged: nn.Layer) -> None:
    """Give a convolution and the BatchNorm behind it what one convolution with bias computes."""
    conv.weight.set_value(merged.weight)
    if conv.bias is not None:
        conv.bias.set_value(paddle.zeros_like(conv.bias))
    let_pass(norm, merged.bias.numpy())


def folded(conv: nn.Layer, norm: nn.Layer, output_axis: int = 0) -> tuple[Kernel, Kernel]:
    """Return kernel and bias of a convolution followed by BatchNorm in evaluation, float32.

    Args:
        conv: convolution, or transposed convolution, with or without bias.
        norm: BatchNorm behind it.
        output_axis: of the kernel's output channels: 0, or 1 if it is transposed.
    """
    scale, shift = affine(norm)
    kernel = conv.weight.numpy()
    shape = [1] * kernel.ndim
    shape[output_axis] = -1
    if conv.bias is not None:
        shift = shift + conv.bias.numpy() * scale
    return kernel * scale.reshape(shape), shift


def affine(norm: nn.Layer) -> tuple[Kernel, Kernel]:
    """Return factor and summand [C] float32 of a BatchNorm in evaluation."""
    deviation = paddle.sqrt(norm._variance + norm._epsilon).numpy()
    mean, weight, bias = (tensor.numpy() for tensor in (norm._mean, norm.weight, norm.bias))
    return weight / deviation, bias - mean * weight / deviation


def padded(kernel: Kernel, size: Sequence[int]) -> Kernel:
    """Return a kernel [.., h, w] in the middle of a larger one of this size, zeros around it."""
    borders = [(0, 0)] * (kernel.ndim - 2)
    for wanted, given in zip(size, kernel.shape[-2:], strict=True):
        borders.append(((wanted - given) // 2, (wanted - given + 1) // 2))
    return np.pad(kernel, borders)


def identity_kernel(channels: int, group_channels: int, size: Sequence[int]) -> Kernel:
    """Return the kernel [C, C / groups, h, w] of a convolution that changes nothing."""
    kernel = np.zeros((channels, group_channels, *size), np.float32)
    rows = np.arange(channels)
    kernel[rows, rows % group_channels, size[0] // 2, size[1] // 2] = 1.0
    return kernel


def merged_conv(conv: nn.Conv2D, kernel: Kernel, bias: Kernel) -> nn.Conv2D:
    """Return a convolution like another, with kernel and bias of its own, in evaluation mode.

    Args:
        conv: whose stride, dilation and groups are taken; its padding keeps the size.
        kernel: [C_out, C_in / groups, h, w].
        bias: [C_out].
    """
    num_outputs, group_channels, *size = kernel.shape
    merged = nn.Conv2D(
        group_channels * conv._groups,
        num_outputs,
        size,
        stride=conv._stride,
        padding=conv._padding if list(conv._kernel_size) == size else [side // 2 for side in size],
        dilation=conv._dilation,
        groups=conv._groups,
    )
    merged.weight.set_value(paddle.to_tensor(kernel))
    merged.bias.set_value(paddle.to_tensor(bias))
    merged.eval()
    return merged


def merged_transposed(conv: nn.Conv2DTranspose, kernel: Kernel, bias: Kernel) -> nn.Conv2DTranspose:
    """Return a transposed convolution like another, with kernel and bias of its own.

    Args:
        conv: whose stride, padding, dilation and groups are taken.
        kernel: [C_in, C_out / groups, h, w].
        bias: [C_out].
    """
    num_inputs, group_channels, *size = kernel.shape
    merged = nn.Conv2DTranspose(
        num_inputs,
        group_channels * conv._groups,
        size,
        stride=conv._stride,
        padding=conv._padding,
        dilation=conv._dilation,
        groups=conv._groups,
    )
    merged.weight.set_value(paddle.to_tensor(kernel))
    merged.bias.set_value(paddle.to_tensor(bias))
    merged.eval()
    return merged
