"""RepViT's depthwise branches in training for paddle on a CPU, a channel at a time in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves_batch
from training.kernels.normalise import is_normalised_by_batch, move_statistics


def depthwise_residual(
    x: paddle.Tensor, conv: Any, inner: nn.Layer, factors: paddle.Tensor, outer: nn.Layer
) -> paddle.Tensor | None:
    """Compute outer(inner(conv(x)) + factors * x + x) in training on batches.

    Args:
        x: [N, C, H, W] float.
        conv: depthwise `nn.Conv2D` without bias, stride 1, that keeps the size.
        inner: `nn.BatchNorm2D` of the convolution.
        factors: [C, 1, 1, 1] float, kernels of a depthwise 1x1 convolution.
        outer: `nn.BatchNorm2D` of the sum.

    Returns:
        As x, gradients reach x and all parameters; None where paddle has to compute it.
    """
    if not (is_normalised_by_batch(x, inner) and is_normalised_by_batch(x, outer)):
        return None
    size, kernel = tuple(conv._kernel_size), conv.weight
    padding = conv._padding if isinstance(conv._padding, list | tuple) else [conv._padding] * 2
    keeps_size = list(padding) == [length // 2 for length in size] and all(n % 2 for n in size)
    plain = conv.bias is None and conv._dilation == [1, 1] and conv._stride == [1, 1]
    is_depthwise = list(kernel.shape) == [x.shape[1], 1, *size] and conv._groups == x.shape[1]
    is_frozen = kernel.stop_gradient or factors.stop_gradient
    if (
        not (keeps_size and plain and is_depthwise)
        or is_frozen
        or not serves_batch(kernel, factors)
    ):
        return None
    epsilons = inner._epsilon, outer._epsilon
    tensors = kernel, factors, inner.weight, inner.bias, outer.weight, outer.bias
    y, *statistics = _DepthwiseResidual.apply(x, *tensors, epsilons, size)
    for norm, pair in zip((inner, outer), statistics, strict=True):
        move_statistics(norm, *array_from_tensor(pair))
    return y


class _DepthwiseResidual(PyLayer):
    """The differentiable call: the output, and mean and variance [2, C] of both BatchNorms."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, *rest: Any) -> tuple[paddle.Tensor, ...]:
        from training.kernels.loops import depthwise_residual as loops  # numba, when needed

        *parameters, epsilons, size = rest
        arrays = _arrays(parameters)
        y = paddle.empty(x.shape, dtype="float32")
        statistics = [paddle.empty([2, x.shape[1]], dtype="float32") for _ in range(2)]
        geometry = size, (size[0] // 2, size[1] // 2)
        outputs = [array_from_tensor(tensor) for tensor in (y, *statistics)]
        loops.forward(array_from_tensor(x), *arrays, epsilons, *outputs, *geometry)
        ctx.save_for_backward(x, *parameters, *statistics)
        ctx.known = epsilons, geometry
        ctx.mark_non_differentiable(*statistics)
        return y, *statistics

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor, *_: Any) -> tuple[paddle.Tensor, ...]:
        from training.kernels.loops import depthwise_residual as loops

        x, *parameters, inner, outer = ctx.saved_tensor()
        epsilons, geometry = ctx.known
        arrays = _arrays(parameters)
        dx = paddle.empty(x.shape, dtype="float32")
        gradients = [np.empty_like(array) for array in arrays]
        loops.backward(
            *(array_from_tensor(x), *arrays, epsilons),
            *(array_from_tensor(tensor) for tensor in (inner, outer, dy, dx)),
            *(*gradients, *geometry),
        )
        dkernel, dfactors, dinner, douter = gradients
        flat = dkernel, dfactors, *dinner, *douter
        return dx, *(
            paddle.to_tensor(gradient).reshape(parameter.shape)
            for gradient, parameter in zip(flat, parameters, strict=True)
        )


def _arrays(parameters: list[paddle.Tensor]) -> list[FloatArray]:
    """Return kernel [C, taps], factors of x [C], and weight and bias [2, C] of both BatchNorms."""
    kernel, factors, *norms = map(array_from_tensor, parameters)
    channels = len(kernel)
    pairs = [np.stack(norms[first : first + 2]) for first in (0, 2)]
    return [kernel.reshape(channels, -1), factors.reshape(-1) + np.float32(1.0), *pairs]
