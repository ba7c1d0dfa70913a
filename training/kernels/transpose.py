"""Axes put in another order for paddle on a CPU, by copying rows.

paddle keeps a transposed tensor as a view and copies it value by value where an operation needs
its memory in order, ten times slower than a copy of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from paddle.autograd import PyLayer

from training.kernels.gate import array_from_tensor, serves


def transpose(x: paddle.Tensor, axes: Sequence[int]) -> paddle.Tensor:
    """Put axes in another order; the result's memory is in that order too.

    Args:
        x: float of any shape.
        axes: the axis of x that each axis of the result is, from 0 up.
    """
    if not serves(x) or 0 in x.shape:
        return x.transpose(list(axes))
    return _Transpose.apply(x, tuple(axes))


class _Transpose(PyLayer):
    """The differentiable call."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, axes: tuple[int, ...]) -> paddle.Tensor:
        ctx.axes = axes
        return _copied(x, axes)

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor) -> paddle.Tensor:
        return _copied(dy, tuple(int(axis) for axis in np.argsort(ctx.axes)))


def _copied(x: paddle.Tensor, axes: tuple[int, ...]) -> paddle.Tensor:
    y = paddle.empty([x.shape[axis] for axis in axes], dtype="float32")
    np.copyto(array_from_tensor(y), array_from_tensor(x).transpose(axes))
    return y
