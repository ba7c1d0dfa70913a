"""Depthwise convolution for paddle on a CPU: forward, input gradient and weight gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

from runtime.errors import ConfigError
from training.kernels.gate import array_from_tensor, serves

Pair = tuple[int, int]


def depthwise_conv2d(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
) -> paddle.Tensor:
    """Convolve each channel with its own kernel, as `conv2d` with groups = C and no bias.

    Args:
        x: [N, C, H, W] float.
        weight: [C, 1, kernel_h, kernel_w] float.
        stride: one number or (vertical, horizontal), pixels.
        padding: one number or (vertical, horizontal), pixels on each side.

    Returns:
        [N, C, out_h, out_w]; gradients reach x and weight where they are wanted.

    Raises:
        ConfigError: stride or padding is not one number or two, or is too small.
    """
    strides, paddings = _pair("stride", stride, 1), _pair("padding", padding, 0)
    if not (serves(x, weight) and _fits(x, weight, strides, paddings)):
        return F.conv2d(x, weight, None, strides, paddings, groups=weight.shape[0])
    # PyLayer does not tell its forward which inputs want a gradient.
    return _Depthwise.apply(
        x, weight, strides, paddings, not x.stop_gradient, not weight.stop_gradient
    )


class DepthwiseConv2D(paddle.nn.Conv2D):
    """`paddle.nn.Conv2D` whose groups equal its channels; parameters are named as there."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Convolve.

        Args:
            x: [N, C, H, W] float.

        Returns:
            [N, C, out_h, out_w].
        """
        stride, padding = _as_pair(self._stride), _as_pair(self._padding)
        if (
            stride is None
            or padding is None
            or self.bias is not None
            or self._padding_mode != "zeros"
            or self._data_format != "NCHW"
            or _as_pair(self._dilation) != (1, 1)
            or not self._groups == self._in_channels == self._out_channels
        ):
            return super().forward(x)
        return depthwise_conv2d(x, self.weight, stride, padding)


class _Depthwise(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        weight: paddle.Tensor,
        stride: Pair,
        padding: Pair,
        wants_dx: bool,
        wants_dweight: bool,
    ) -> paddle.Tensor:
        from training.kernels.loops import depthwise as loops  # numba, only once it is needed

        height, width = _out_size(x, weight, stride, padding)
        out = paddle.empty([x.shape[0], x.shape[1], height, width], dtype="float32")
        loops.forward(
            array_from_tensor(x),
            array_from_tensor(weight),
            array_from_tensor(out),
            padding,
            stride,
        )
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding, wants_dx, wants_dweight
        return out

    @staticmethod
    def backward(
        ctx: Any, dout: paddle.Tensor
    ) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        from training.kernels.loops import depthwise as loops

        x, weight = ctx.saved_tensor()
        stride, padding, wants_dx, wants_dweight = ctx.geometry
        dx = paddle.empty(x.shape if wants_dx else [0, 1, 1, 1], dtype="float32")
        dweight = paddle.empty(weight.shape if wants_dweight else [0, 1, 1, 1], dtype="float32")
        loops.backward(
            array_from_tensor(x),
            array_from_tensor(weight),
            array_from_tensor(dout),
            array_from_tensor(dx),
            array_from_tensor(dweight),
            padding,
            stride,
        )
        return dx if wants_dx else None, dweight if wants_dweight else None


def _fits(x: paddle.Tensor, weight: paddle.Tensor, stride: Pair, padding: Pair) -> bool:
    """Tell whether the shapes are those of a depthwise convolution with something to compute.

    Anything else goes to paddle, which either knows it or has the better error message.
    """
    if len(x.shape) != 4 or len(weight.shape) != 4 or weight.shape[1] != 1:
        return False
    if x.shape[1] != weight.shape[0] or 0 in x.shape:
        return False
    return min(_out_size(x, weight, stride, padding)) > 0


def _out_size(x: paddle.Tensor, weight: paddle.Tensor, stride: Pair, padding: Pair) -> Pair:
    height = (x.shape[2] + 2 * padding[0] - weight.shape[2]) // stride[0] + 1
    width = (x.shape[3] + 2 * padding[1] - weight.shape[3]) // stride[1] + 1
    return height, width


def _pair(name: str, value: int | Sequence[int], least: int) -> Pair:
    pair = _as_pair(value)
    if pair is None or min(pair) < least:
        raise ConfigError(
            f"depthwise convolution: {name} must be one whole number or two, each at least "
            f"{least}, got {value!r}; for other paddings use paddle.nn.functional.conv2d"
        )
    return pair


def _as_pair(value: object) -> Pair | None:
    """Return (vertical, horizontal), or None for what is not one whole number or two."""
    if isinstance(value, int):
        return value, value
    if isinstance(value, list | tuple) and len(value) == 2:
        vertical, horizontal = value
        if isinstance(vertical, int) and isinstance(horizontal, int):
            return vertical, horizontal
    return None
