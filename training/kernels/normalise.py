"""Batch normalisation with any activation, both ways in one pass, for paddle on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves_batch

Activation = Literal["relu", "hardswish", "swish", "gelu"]
# In the order of the numbers in `loops.activation`.
_ACTIVATIONS: dict[str | None, Callable[[paddle.Tensor], paddle.Tensor]] = {
    None: lambda x: x,
    "relu": F.relu,
    "hardswish": F.hardswish,
    "swish": F.swish,
    "gelu": F.gelu,
}


def normalise(
    x: paddle.Tensor, norm: nn.Layer, activation: Activation | None = None
) -> paddle.Tensor:
    """Apply a BatchNorm and an activation; in training on batches in one pass.

    Args:
        x: [N, C, H, W] float.
        norm: `nn.BatchNorm2D`; its running statistics move in training.
        activation: behind it; `gelu` is the exact one.

    Returns:
        As x; gradients reach x and the parameters of `norm`.
    """
    if not is_normalised_by_batch(x, norm):
        return _ACTIVATIONS[activation](norm(x))
    kind = list(_ACTIVATIONS).index(activation)
    y, mean, variance = _Normalise.apply(x, norm.weight, norm.bias, norm._epsilon, kind)
    move_statistics(norm, array_from_tensor(mean), array_from_tensor(variance))
    return y


def is_normalised_by_batch(x: paddle.Tensor, norm: Any) -> bool:
    """Tell whether kernels may take the step of this BatchNorm: all of it learns, on a batch."""
    if not isinstance(norm, nn.BatchNorm2D) or not norm.training or norm._use_global_stats:
        return False
    tensors = x, norm.weight, norm.bias
    if (
        len(x.shape) != 4
        or norm._data_format != "NCHW"
        or not serves_batch(*tensors, norm._mean, norm._variance)
    ):
        return False
    return not any(tensor.stop_gradient for tensor in tensors)


def move_statistics(norm: Any, mean: FloatArray, variance: FloatArray) -> None:
    """Move a BatchNorm's running statistics, as paddle does, towards the batch's.

    Args:
        norm: with `_mean` and `_variance`, each [C] float32.
        mean: [C] float32.
        variance: [C] float32, biased.
    """
    stays = np.float32(norm._momentum)
    for buffer, value in ((norm._mean, mean), (norm._variance, variance)):
        array = array_from_tensor(buffer)
        array *= stays
        array += (np.float32(1.0) - stays) * value


class _Normalise(PyLayer):
    """The differentiable call: the output, and the batch's mean and variance."""

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        weight: paddle.Tensor,
        bias: paddle.Tensor,
        epsilon: float,
        kind: int,
    ) -> tuple[paddle.Tensor, ...]:
        from training.kernels.loops import normalise as loops  # numba, only once it is needed

        y = paddle.empty(x.shape, dtype="float32")
        mean, variance = (paddle.empty(weight.shape, dtype="float32") for _ in range(2))
        loops.forward(
            *(_planes(x), array_from_tensor(weight), array_from_tensor(bias), epsilon, kind),
            *(_planes(y), array_from_tensor(mean), array_from_tensor(variance)),
        )
        ctx.save_for_backward(x, weight, bias, mean, variance)
        ctx.choices = epsilon, kind
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor, *_: Any) -> tuple[paddle.Tensor, ...]:
        from training.kernels.loops import normalise as loops

        x, *vectors = ctx.saved_tensor()
        weight, bias, mean, variance = map(array_from_tensor, vectors)
        dx = paddle.empty(x.shape, dtype="float32")
        dweight, dbias = (paddle.empty(weight.shape, dtype="float32") for _ in range(2))
        loops.backward(
            *(_planes(x), weight, bias, *ctx.choices, mean, variance, _planes(dy), _planes(dx)),
            *(array_from_tensor(dweight), array_from_tensor(dbias)),
        )
        return dx, dweight, dbias


def _planes(tensor: paddle.Tensor) -> FloatArray:
    """View [N, C, H, W] as [N, C, H W]."""
    array = array_from_tensor(tensor)
    return array.reshape(array.shape[0], array.shape[1], -1)
