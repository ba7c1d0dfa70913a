"""Max pooling with windows side by side for paddle on a CPU."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves

Pair = tuple[int, int]


def max_pool2d(x: paddle.Tensor, window: Pair) -> paddle.Tensor:
    """Take the largest value of every window; the stride is the window, there is no padding.

    Args:
        x: [N, C, H, W] float.
        window: (vertical, horizontal), pixels.

    Returns:
        [N, C, H // vertical, W // horizontal]; gradients reach x.
    """
    fits = len(x.shape) == 4 and x.shape[2] >= window[0] > 0 and x.shape[3] >= window[1] > 0
    if not (serves(x) and fits) or 0 in x.shape:
        return F.max_pool2d(x, window, window)
    return _MaxPool.apply(x, window)


class MaxPool2D(paddle.nn.MaxPool2D):
    """`paddle.nn.MaxPool2D`, fast where the stride equals the window and there is no padding."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Pool.

        Args:
            x: [N, C, H, W] float.

        Returns:
            [N, C, out_h, out_w].
        """
        window = _pair(self.ksize)
        if (
            window is None
            or (self.stride is not None and _pair(self.stride) != window)
            or _pair(self.padding) != (0, 0)
            or self.return_mask
            or self.ceil_mode
            or self.data_format != "NCHW"
        ):
            return super().forward(x)
        return max_pool2d(x, window)


class _MaxPool(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, window: Pair) -> paddle.Tensor:
        from training.kernels import max_pool_loops  # numba, only once it is needed

        batch, channels, height, width = x.shape
        shape = [batch, channels, height // window[0], width // window[1]]
        y = paddle.empty(shape, dtype="float32")
        max_pool_loops.forward(_planes(x), _planes(y), window)
        ctx.save_for_backward(x, y)
        ctx.window = window
        return y

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor) -> paddle.Tensor:
        from training.kernels import max_pool_loops

        x, y = ctx.saved_tensor()
        dx = paddle.empty(x.shape, dtype="float32")
        max_pool_loops.backward(_planes(x), _planes(y), _planes(dy), _planes(dx), ctx.window)
        return dx


def _planes(tensor: paddle.Tensor) -> FloatArray:
    """View [N, C, H, W] as [N * C, H, W]."""
    array = array_from_tensor(tensor)
    return array.reshape(-1, array.shape[2], array.shape[3])


def _pair(value: object) -> Pair | None:
    """Return (vertical, horizontal), or None for what is not one whole number or two."""
    if isinstance(value, int):
        return value, value
    if isinstance(value, list | tuple) and len(value) == 2:
        return int(value[0]), int(value[1])
    return None
