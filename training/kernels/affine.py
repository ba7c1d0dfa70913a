"""Hard-swish between two affine maps of a whole tensor, in one pass for paddle on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves_batch


def affine_hardswish(
    x: paddle.Tensor,
    scale: paddle.Tensor,
    bias: paddle.Tensor,
    out_scale: paddle.Tensor,
    out_bias: paddle.Tensor,
) -> paddle.Tensor:
    """Compute hard-swish(scale * x + bias) * out_scale + out_bias.

    Without a gradient the result is that of paddle's own operations to the bit: those run.

    Args:
        x: float of any shape.
        scale, bias, out_scale, out_bias: [1] float.

    Returns:
        As x; gradients reach all five where they are wanted.
    """
    numbers = (scale, bias, out_scale, out_bias)
    if x.stop_gradient or not serves_batch(x, *numbers):
        return out_scale * F.hardswish(scale * x + bias) + out_bias
    return _AffineHardSwish.apply(x, *numbers, [not number.stop_gradient for number in numbers])


class _AffineHardSwish(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, *rest: Any) -> paddle.Tensor:
        from training.kernels.loops import affine as loops  # numba, only once it is needed

        *numbers, wanted = rest
        values = [np.float32(number.item()) for number in numbers]
        y = paddle.empty(x.shape, dtype="float32")
        loops.forward(_flat(x), _flat(y), *values)
        ctx.save_for_backward(x)
        ctx.values, ctx.wanted = values, wanted
        return y

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        from training.kernels.loops import affine as loops

        (x,) = ctx.saved_tensor()
        dx = paddle.empty(x.shape, dtype="float32")
        sums = np.empty((-(-_flat(x).size // loops.BLOCK), 4), np.float32)
        loops.backward(_flat(x), _flat(dy), _flat(dx), *ctx.values[:3], sums)
        totals = sums.sum(axis=0, dtype=np.float64).astype(np.float32)
        gradients = [
            paddle.to_tensor(total.reshape(1)) if is_wanted else None
            for total, is_wanted in zip(totals, ctx.wanted, strict=True)
        ]
        return dx, *gradients


def _flat(tensor: paddle.Tensor) -> FloatArray:
    return array_from_tensor(tensor).reshape(-1)
