"""Sums of normalised convolutions of one input for paddle on a CPU, as one convolution each way.

In training every BatchNorm takes its statistics from its own convolution's output. They follow
from the moments of the input alone, and so does what they add to the gradients: the outputs of
the branches are never computed, and of B branches about one is paid for.

Source: the branches of Ding et al. 2021, RepVGG (arXiv:2101.03697).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
        branches: 1x1 convolutions at stride 1; or depthwise ones of one stride, each of the same
            odd kernel or 1x1, padded to keep the size at stride 1. The input itself stands first,
            if at all.

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
    tensors = [x, *(conv.weight for conv in convs)]
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
    if not convs or any(conv.bias is not None or conv._dilation != [1, 1] for conv in convs):
        return None
    strides = {tuple(conv._stride) for conv in convs}
    if len(strides) > 1 or (has_input and strides != {(1, 1)}):
        return None
    sizes = {tuple(conv._kernel_size) for conv in convs}
    if all(conv._groups == 1 for conv in convs):
        plain = strides == {(1, 1)} and sizes == {(1, 1)}
        return PointwiseBranches if plain and all(_padding_of(c) == (0, 0) for c in convs) else None
    is_odd = all(height % 2 and width % 2 for height, width in sizes)
    if not is_odd or len(sizes - {(1, 1)}) > 1:
        return None
    fits = all(
        conv._groups == conv._in_channels == conv._out_channels
        and _padding_of(conv) == tuple(size // 2 for size in conv._kernel_size)
        for conv in convs
    )
    return DepthwiseBranches if fits else None


def _padding_of(conv: Any) -> Any:
    padding = conv._padding
    return (padding, padding) if isinstance(padding, int) else tuple(padding)
