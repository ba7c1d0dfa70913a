"""Layers of paddle that run the compiled loops in training, on maps of many pixels."""

from __future__ import annotations

from typing import Any

import paddle
from paddle.autograd import PyLayer

from training.kernels.dense.layout import Geometry
from training.kernels.dense.products import channel_sums, convolved, convolved_back, kernel_gradient
from training.kernels.gate import serves_pixels

_NARROW = 64
"""With more channels on both sides paddle's products of matrices are faster than the tiles."""
_LEAST_OUTPUTS = 8
"""Of a transposed convolution; a tile of one channel is hardly filled."""


class DenseConv2D(paddle.nn.Conv2D):
    """`paddle.nn.Conv2D` over all channels; parameters are named as there."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Convolve float32 [N, C, H, W] to float32 [N, C', H', W']."""
        geometry = _geometry_of(self)
        tensors = [x, self.weight, *([] if self.bias is None else [self.bias])]
        if geometry is None or not serves_pixels(*tensors):
            return super().forward(x)
        if x.shape[1] != self._in_channels or min(geometry.output_size(x.shape[2:])) < 1:
            return super().forward(x)  # which has the better error message
        y: paddle.Tensor = _Convolution.apply(*tensors, geometry, _wanted(tensors))
        return y


class DoublingConv2D(paddle.nn.Conv2DTranspose):
    """`paddle.nn.Conv2DTranspose` that doubles the size; parameters are named as there."""

    def forward(self, x: paddle.Tensor, output_size: Any = None) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C', 2 H, 2 W]."""
        geometry = _geometry_of(self)
        tensors = [x, self.weight, *([] if self.bias is None else [self.bias])]
        doubles = geometry == Geometry((0, 0), (0, 0), (2, 2), (2, 2))
        if output_size is not None or not doubles or not serves_pixels(*tensors):
            return super().forward(x, output_size)
        fits = x.shape[1] == self._in_channels and self._out_channels >= _LEAST_OUTPUTS
        if not fits or self.output_padding not in (0, [0, 0]):
            return super().forward(x)
        y: paddle.Tensor = _Transposed.apply(*tensors, geometry, _wanted(tensors))
        return y


class _Convolution(PyLayer):
    """The differentiable call."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, *rest: Any) -> paddle.Tensor:
        *biases, geometry, wanted = rest
        ctx.save_for_backward(x, weight)
        ctx.known = geometry, wanted
        return convolved(x, weight, biases[0] if biases else None, geometry)

    @staticmethod
    def backward(ctx: Any, dout: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        (x, weight), (geometry, wanted) = ctx.saved_tensor(), ctx.known
        gradients = (
            lambda: convolved_back(dout, weight, None, x.shape[2:], geometry),
            lambda: kernel_gradient(x, dout, geometry),
            lambda: channel_sums(dout),
        )
        return _those(wanted, gradients)


class _Transposed(PyLayer):
    """The differentiable call: a convolution, turned round."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, *rest: Any) -> paddle.Tensor:
        *biases, geometry, wanted = rest
        ctx.save_for_backward(x, weight)
        ctx.known = geometry, wanted
        size = [2 * side for side in x.shape[2:]]
        return convolved_back(x, weight, biases[0] if biases else None, size, geometry)

    @staticmethod
    def backward(ctx: Any, dout: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        (x, weight), (geometry, wanted) = ctx.saved_tensor(), ctx.known
        gradients = (
            lambda: convolved(dout, weight, None, geometry),
            lambda: kernel_gradient(dout, x, geometry),
            lambda: channel_sums(dout),
        )
        return _those(wanted, gradients)


def _geometry_of(layer: Any) -> Geometry | None:
    """Return the geometry of a layer, None where it is not plain or too wide."""
    padding = layer._padding
    sides = [padding] * 4 if isinstance(padding, int) else list(padding)
    if len(sides) == 2:
        sides = [sides[0], sides[0], sides[1], sides[1]]
    is_plain = (
        layer._groups == 1
        and layer._data_format == "NCHW"
        and layer._padding_mode == "zeros"
        and list(layer._dilation) == [1, 1]
        and len(sides) == 4
        and all(isinstance(side, int) for side in sides)
    )
    if not is_plain or min(layer._in_channels, layer._out_channels) > _NARROW:
        return None
    top, bottom, left, right = sides
    (down, across), (height, width) = layer._stride, layer._kernel_size
    return Geometry((top, bottom), (left, right), (down, across), (height, width))


def _wanted(tensors: list[Any]) -> tuple[bool, ...]:
    """Tell which tensors want a gradient; PyLayer does not tell its forward."""
    return tuple(not tensor.stop_gradient for tensor in tensors)


def _those(wanted: tuple[bool, ...], gradients: Any) -> tuple[paddle.Tensor | None, ...]:
    """Compute the gradients that are wanted."""
    return tuple(
        gradient() if is_wanted else None
        for is_wanted, gradient in zip(wanted, gradients, strict=False)
    )
