"""Max pooling over windows of 2 x 2, side by side, for paddle on a CPU."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves


def max_pool2x2(x: paddle.Tensor) -> paddle.Tensor:
    """Take the largest value of every 2 x 2 window; the stride is 2, there is no padding.

    Args:
        x: [N, C, H, W] float.

    Returns:
        [N, C, H // 2, W // 2]; gradients reach x.
    """
    fits = len(x.shape) == 4 and x.shape[2] >= 2 and x.shape[3] >= 2
    if not (serves(x) and fits) or 0 in x.shape:
        return F.max_pool2d(x, 2, 2)
    return _MaxPool.apply(x)


class MaxPool2D(paddle.nn.MaxPool2D):
    """`paddle.nn.MaxPool2D`, fast for windows of 2 x 2 at stride 2 without padding."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Pool.

        Args:
            x: [N, C, H, W] float.

        Returns:
            [N, C, out_h, out_w].
        """
        stride = self.ksize if self.stride is None else self.stride
        if (
            not _is_pair_of(self.ksize, 2)
            or not _is_pair_of(stride, 2)
            or not _is_pair_of(self.padding, 0)
            or self.return_mask
            or self.ceil_mode
            or self.data_format != "NCHW"
        ):
            return super().forward(x)
        return max_pool2x2(x)


class _MaxPool(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> paddle.Tensor:
        from training.kernels.loops import max_pool as loops  # numba, only once it is needed

        batch, channels, height, width = x.shape
        shape = [batch, channels, height // 2, width // 2]
        y = paddle.empty(shape, dtype="float32")
        loops.forward(_planes(x), _planes(y))
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor) -> paddle.Tensor:
        from training.kernels.loops import max_pool as loops

        x, y = ctx.saved_tensor()
        dx = paddle.empty(x.shape, dtype="float32")
        loops.backward(_planes(x), _planes(y), _planes(dy), _planes(dx))
        return dx


def _planes(tensor: paddle.Tensor) -> FloatArray:
    """View [N, C, H, W] as [N * C, H, W]."""
    array = array_from_tensor(tensor)
    return array.reshape(-1, array.shape[2], array.shape[3])


def _is_pair_of(value: object, number: int) -> bool:
    """Tell whether a paddle argument means (number, number)."""
    return value == number or value in ([number, number], (number, number))
