"""Means over the pixels of each channel, and channels scaled by a gate, for paddle on a CPU."""

from __future__ import annotations

from typing import Any

import paddle
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, serves_batch


def channel_means(x: paddle.Tensor) -> paddle.Tensor | None:
    """Average every channel of every image in training on batches.

    Args:
        x: [N, C, H, W] float.

    Returns:
        [N, C, 1, 1], gradients reach x; None where paddle has to compute it.
    """
    if x.stop_gradient or len(x.shape) != 4 or not serves_batch(x):
        return None
    return _ChannelMeans.apply(x)


def scale_channels(x: paddle.Tensor, gates: paddle.Tensor) -> paddle.Tensor:
    """Multiply every channel of every image by its gate.

    Args:
        x: [N, C, H, W] float.
        gates: [N, C, 1, 1] float.

    Returns:
        As x; gradients reach both.
    """
    learns = not (x.stop_gradient or gates.stop_gradient)
    fits = len(x.shape) == 4 and list(gates.shape) == [*x.shape[:2], 1, 1]
    if not (learns and fits and serves_batch(x, gates)):
        return x * gates
    return _ScaleChannels.apply(x, gates)


class _ChannelMeans(PyLayer):
    """The differentiable call."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> paddle.Tensor:
        from training.kernels.loops import planes as loops  # numba, only once it is needed

        ctx.shape = x.shape
        y = paddle.empty([*x.shape[:2], 1, 1], dtype="float32")
        loops.means(_planes(x), array_from_tensor(y).reshape(-1))
        return y

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor) -> paddle.Tensor:
        from training.kernels.loops import planes as loops

        dx = paddle.empty(ctx.shape, dtype="float32")
        loops.spread(array_from_tensor(dy).reshape(-1), _planes(dx))
        return dx


class _ScaleChannels(PyLayer):
    """The differentiable call."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, gates: paddle.Tensor) -> paddle.Tensor:
        from training.kernels.loops import planes as loops  # numba, only once it is needed

        y = paddle.empty(x.shape, dtype="float32")
        loops.scale(_planes(x), array_from_tensor(gates).reshape(-1), _planes(y))
        ctx.save_for_backward(x, gates)
        return y

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        from training.kernels.loops import planes as loops

        x, gates = ctx.saved_tensor()
        dx, dgates = (paddle.empty(tensor.shape, dtype="float32") for tensor in (x, gates))
        factors, dfactors = (array_from_tensor(tensor).reshape(-1) for tensor in (gates, dgates))
        loops.scale_gradients(_planes(x), factors, _planes(dy), _planes(dx), dfactors)
        return dx, dgates


def _planes(tensor: paddle.Tensor) -> FloatArray:
    """View [N, C, H, W] as [N C, H W]."""
    array = array_from_tensor(tensor)
    return array.reshape(array.shape[0] * array.shape[1], -1)
