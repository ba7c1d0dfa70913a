"""Linear layer for paddle on a CPU: paddle's matrix products, the bias in one pass each way.

paddle's own bias gradient takes longer than its matrix products once there are thousands of
classes.
"""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves


def linear(x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor) -> paddle.Tensor:
    """Multiply the last axis by a matrix and add a bias.

    Args:
        x: [..., C] float.
        weight: [C, K] float.
        bias: [K] float.

    Returns:
        [..., K]; gradients reach all three where they are wanted.
    """
    if not serves(x, weight, bias) or len(x.shape) < 2 or 0 in x.shape:
        return F.linear(x, weight, bias)
    wanted = (not x.stop_gradient, not weight.stop_gradient, not bias.stop_gradient)
    return _Linear.apply(x, weight, bias, wanted)


class Linear(paddle.nn.Linear):
    """`paddle.nn.Linear`; parameters are named as there."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Multiply and add.

        Args:
            x: [..., C] float.

        Returns:
            [..., K].
        """
        if self.bias is None:
            return super().forward(x)
        return linear(x, self.weight, self.bias)


class _Linear(PyLayer):
    """The differentiable call."""

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        weight: paddle.Tensor,
        bias: paddle.Tensor,
        wanted: tuple[bool, bool, bool],
    ) -> paddle.Tensor:
        from training.kernels.loops import linear as loops  # numba, only once it is needed

        y = paddle.matmul(x, weight)
        loops.add_bias(_rows(y), array_from_tensor(bias))
        ctx.save_for_backward(x, weight)
        ctx.wanted = wanted
        return y

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        from training.kernels.loops import linear as loops

        x, weight = ctx.saved_tensor()
        wants_dx, wants_dweight, wants_dbias = ctx.wanted
        dx = paddle.matmul(dy, weight, transpose_y=True) if wants_dx else None
        dweight = dbias = None
        if wants_dweight:
            flat_x, flat_dy = x.reshape([-1, x.shape[-1]]), dy.reshape([-1, dy.shape[-1]])
            dweight = paddle.matmul(flat_x, flat_dy, transpose_x=True)
        if wants_dbias:
            dbias = paddle.empty([dy.shape[-1]], dtype="float32")
            loops.column_sums(_rows(dy), array_from_tensor(dbias))
        return dx, dweight, dbias


def _rows(tensor: paddle.Tensor) -> FloatArray:
    array = array_from_tensor(tensor)
    return array.reshape(-1, array.shape[-1])
