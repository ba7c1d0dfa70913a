"""Sums of normalised convolutions of one input for paddle on a CPU, as one convolution each way.

In training every BatchNorm takes its statistics from its own convolution's output. They follow
from the moments of the input alone, and so does what they add to the gradients: the outputs of
the branches are never computed, and of B branches about one is paid for.

Source: the branches of Ding et al. 2021, RepVGG (arXiv:2101.03697).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import paddle
from paddle import nn

from training.kernels.branch_calls import DepthwiseBranches, Form, PointwiseBranches
from training.kernels.gate import serves_batch
from training.kernels.normalise import move_statistics

Branch = tuple[nn.Layer | None, nn.Layer]
"""Convolution without bias, or None for the input itself, and the BatchNorm behind it."""


def sum_normalised_branches(x: paddle.Tensor, branches: Sequence[Branch]) -> paddle.Tensor | None:
    """Add up normalised convolutions of one input in training.

    Args:
        x: [N, C, H, W] float.
        branches: 1x1 convolutions at stride 1; or depthwise ones of one stride, of odd kernels
            that may be dilated, padded to keep the size at stride 1. The input itself stands
            first, if at all.

    Returns:
        [N, C', H', W'], gradients reach x and all parameters; None where paddle has to compute
        it: in evaluation, in tracing, on a GPU, for few images, for other convolutions.
    """
    has_input = bool(branches) and branches[0][0] is None
    convs: list[Any] = [conv for conv, _ in branches[int(has_input) :]]
    norms = [norm for _, norm in branches]
    if not all(isinstance(conv, nn.Conv2D) for conv in convs):
        return None
    if not all(norm.training and not norm._use_global_stats for norm in norms):
        return None
    kind = _kind_of(convs, has_input)
    tensors = [x, *_kernels(convs)] if kind is not None else [x]
    tensors += [norm.weight for norm in norms] + [norm.bias for norm in norms]
    if kind is None or not serves_batch(*tensors) or len(x.shape) != 4:
        return None
    form = Form(
        len(convs),
        has_input,
        norms[0]._epsilon,
        tuple(not tensor.stop_gradient for tensor in tensors),
        tuple(convs[0]._stride),
    )
    y, means, variances = kind.apply(*tensors, form)
    for norm, mean, variance in zip(norms, means.numpy(), variances.numpy(), strict=True):
        move_statistics(norm, mean, variance)
    return y


def _kind_of(convs: Sequence[Any], has_input: bool) -> Any:
    """Return the call that computes these convolutions, None if there is none."""
    if not convs or any(conv.bias is not None for conv in convs):
        return None
    strides = {tuple(conv._stride) for conv in convs}
    if len(strides) > 1 or (has_input and strides != {(1, 1)}):
        return None
    sizes = [_reach(conv) for conv in convs]
    if all(conv._groups == 1 for conv in convs):
        plain = strides == {(1, 1)} and set(sizes) == {(1, 1)}
        return PointwiseBranches if plain and all(_padding_of(c) == (0, 0) for c in convs) else None
    fits = all(
        conv._groups == conv._in_channels == conv._out_channels
        and height % 2 == width % 2 == 1
        and _padding_of(conv) == (height // 2, width // 2)
        for conv, (height, width) in zip(convs, sizes, strict=True)
    )
    return DepthwiseBranches if fits else None


def _kernels(convs: Sequence[Any]) -> list[paddle.Tensor]:
    """Return the kernels, but for those of 1x1 all undilated and of the largest size."""
    sizes = [_reach(conv) for conv in convs]
    largest = max(height for height, _ in sizes), max(width for _, width in sizes)
    return [
        conv.weight
        if size in ((1, 1), largest) and list(conv._dilation) == [1, 1]
        # A product, so that gradients find their way back.
        else paddle.matmul(
            conv.weight.flatten(1),
            _places(tuple(conv._kernel_size), tuple(conv._dilation), largest),
        ).reshape([-1, 1, *largest])
        for conv, size in zip(convs, sizes, strict=True)
    ]


@cache
def _places(
    kernel: tuple[int, int], dilation: tuple[int, int], size: tuple[int, int]
) -> paddle.Tensor:
    """Return 1 where each tap lies in a larger kernel around the same middle, [taps, places]."""
    places = np.zeros((*kernel, *size), np.float32)
    first = [
        side // 2 - taps // 2 * step
        for side, taps, step in zip(size, kernel, dilation, strict=True)
    ]
    for i, j in np.ndindex(*kernel):
        places[i, j, first[0] + i * dilation[0], first[1] + j * dilation[1]] = 1.0
    return paddle.to_tensor(places.reshape(kernel[0] * kernel[1], -1))


def _reach(conv: Any) -> tuple[int, int]:
    """Return the sides of a kernel, and of the gaps between its taps."""
    height, width = (
        step * (taps - 1) + 1 for taps, step in zip(conv._kernel_size, conv._dilation, strict=True)
    )
    return height, width


def _padding_of(conv: Any) -> Any:
    padding = conv._padding
    return (padding, padding) if isinstance(padding, int) else tuple(padding)
