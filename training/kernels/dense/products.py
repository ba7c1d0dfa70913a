"""A convolution and its two gradients, of which a transposed one is made as well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle

from training.kernels.dense.layout import Geometry, packed, rows_of_gradient, rows_of_input
from training.kernels.gate import FloatArray, array_from_tensor

_NO_BIAS = np.empty(0, np.float32)


def convolved(
    x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor | None, geometry: Geometry
) -> paddle.Tensor:
    """Convolve.

    Args:
        x: float32 [N, C, H, W].
        weight: float32 [O, C, kernel height, kernel width].
        bias: float32 [O].
        geometry: of the convolution.

    Returns:
        float32 [N, O, H', W'].
    """
    from training.kernels.loops import dense as loops  # numba, only once it is needed

    rows = rows_of_input(x, geometry)
    layout = rows.layout
    out = paddle.empty([x.shape[0], weight.shape[0], *geometry.output_size(x.shape[2:])], "float32")
    loops.convolve(
        rows.values,
        (0, geometry.stride[0] * layout.row, layout.image),
        layout.offsets(x.shape[1], *geometry.taps).reshape(-1),
        packed(array_from_tensor(weight)),
        _values(bias),
        array_from_tensor(out),
        (0, 1, 0, 1),
    )
    return out


def convolved_back(
    dout: paddle.Tensor,
    weight: paddle.Tensor,
    bias: paddle.Tensor | None,
    size: Sequence[int],
    geometry: Geometry,
) -> paddle.Tensor:
    """Return the gradient of a convolution's input: for each phase of its stride a convolution.

    Args:
        dout: float32 [N, O, H', W'], of the output.
        weight: float32 [O, C, kernel height, kernel width].
        bias: float32 [C], added everywhere.
        size: height and width of the input.
        geometry: of the convolution.

    Returns:
        float32 [N, C, H, W].
    """
    from training.kernels.loops import dense as loops

    rows = rows_of_gradient(dout, size, geometry)
    layout, before = rows.layout, rows.before
    values = array_from_tensor(weight).transpose(1, 0, 2, 3)
    dx = paddle.empty([dout.shape[0], len(values), *size], "float32")
    (down, across), (top, left) = geometry.stride, geometry.before
    for phase_h in range(down):
        for phase_w in range(across):
            first_row, first_column = (phase_h - top) % down, (phase_w - left) % across
            part = values[:, :, phase_h::down, phase_w::across]
            if 0 in part.shape:  # a stride longer than the kernel leaves pixels out
                dx[:, :, first_row::down, first_column::across] = 0.0
                continue
            back_h, back_w = (indices.ravel() for indices in np.indices(part.shape[2:]))
            places = layout.offsets(
                part.shape[1],
                (first_row + top) // down + before[0] - back_h,
                (first_column + left) // across + before[1] - back_w,
            )
            loops.convolve(
                rows.values,
                (0, layout.row, layout.image),
                places.reshape(-1),
                packed(part),
                _values(bias),
                array_from_tensor(dx),
                (first_row, down, first_column, across),
            )
    return dx


def kernel_gradient(x: paddle.Tensor, dout: paddle.Tensor, geometry: Geometry) -> paddle.Tensor:
    """Return the gradient of a convolution's kernels.

    Args:
        x: float32 [N, C, H, W].
        dout: float32 [N, O, H', W'], of the output.
        geometry: of the convolution.

    Returns:
        float32 [O, C, kernel height, kernel width].
    """
    from training.kernels.loops import dense as loops

    rows, gradients = rows_of_input(x, geometry), rows_of_gradient(dout, x.shape[2:], geometry)
    dweight = paddle.empty([dout.shape[1], x.shape[1], *geometry.kernel], "float32")
    before, lies = gradients.before, gradients.layout
    loops.weight_gradient(
        rows.values,
        gradients.values,
        array_from_tensor(dweight).reshape(dout.shape[1], x.shape[1], -1),
        rows.layout.offsets(x.shape[1], *geometry.taps),
        (
            geometry.stride[0] * rows.layout.row,
            before[0] * lies.row + before[1],
            lies.row,
            lies.columns,
        ),
        dout.shape[2],
        dout.shape[3],
    )
    return dweight


def channel_sums(x: paddle.Tensor) -> paddle.Tensor:
    """Return the sum of each channel: float32 [N, C, H, W] to [C]."""
    from training.kernels.loops import pointwise_branches as loops

    sums = paddle.empty([x.shape[1]], "float32")
    loops.channel_sums(array_from_tensor(x.flatten(2)), array_from_tensor(sums))
    return sums


def _values(bias: paddle.Tensor | None) -> FloatArray:
    return _NO_BIAS if bias is None else array_from_tensor(bias)
