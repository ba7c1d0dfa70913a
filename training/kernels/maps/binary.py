"""Differentiable binarization for paddle on a CPU, in one pass each way."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, planes_of, serves


def binary_map(shrink: paddle.Tensor, threshold: paddle.Tensor, steepness: float) -> paddle.Tensor:
    """Return how far a map exceeds its threshold: 1 / (1 + exp(-steepness (shrink - threshold))).

    Args:
        shrink: float [N, 1, H, W].
        threshold: of the same shape.
        steepness: k of the source.

    Returns:
        float [N, 1, H, W], values 0 .. 1; gradients reach both maps.

    Source: Liao et al. 2020 (arXiv:1911.08947).
    """
    if _serves_pair(shrink, threshold):
        return _Maps.apply(shrink, threshold, steepness, 1, _wants(shrink, threshold))
    return paddle.reciprocal(1 + paddle.exp(-steepness * (shrink - threshold)))


def three_maps(shrink: paddle.Tensor, threshold: paddle.Tensor, steepness: float) -> paddle.Tensor:
    """Join two maps and their `binary_map`.

    Args:
        shrink, threshold, steepness: as `binary_map` takes them.

    Returns:
        float [N, 3, H, W]; gradients reach both maps.
    """
    if _serves_pair(shrink, threshold):
        return _Maps.apply(shrink, threshold, steepness, 3, _wants(shrink, threshold))
    return paddle.concat([shrink, threshold, binary_map(shrink, threshold, steepness)], axis=1)


class _Maps(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(
        ctx: Any,
        shrink: paddle.Tensor,
        threshold: paddle.Tensor,
        steepness: float,
        channels: int,
        wanted: tuple[bool, bool],
    ) -> paddle.Tensor:
        from training.kernels.loops.maps import binary as loops  # numba, only once it is needed

        images, _, *size = shrink.shape
        maps = paddle.empty([images, channels, *size], dtype="float32")
        ctx.steepness = np.float32(steepness)
        loops.forward(_rows(shrink), _rows(threshold), ctx.steepness, planes_of(maps))
        ctx.save_for_backward(shrink, threshold)
        ctx.wanted = wanted
        return maps

    @staticmethod
    def backward(
        ctx: Any, dmaps: paddle.Tensor
    ) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        from training.kernels.loops.maps import binary as loops

        shrink, threshold = ctx.saved_tensor()
        dshrink, dthreshold = paddle.empty_like(shrink), paddle.empty_like(threshold)
        inputs = _rows(shrink), _rows(threshold), ctx.steepness, planes_of(dmaps)
        loops.backward(*inputs, _rows(dshrink), _rows(dthreshold))
        wants_shrink, wants_threshold = ctx.wanted
        return (dshrink if wants_shrink else None), (dthreshold if wants_threshold else None)


def _wants(shrink: paddle.Tensor, threshold: paddle.Tensor) -> tuple[bool, bool]:
    """Tell which of two maps want a gradient."""
    return not shrink.stop_gradient, not threshold.stop_gradient


def _serves_pair(shrink: paddle.Tensor, threshold: paddle.Tensor) -> bool:
    """Tell whether the loops may take both maps: in training, if each is [N, 1, H, W]."""
    if not paddle.is_grad_enabled() or not serves(shrink, threshold):
        return False
    shape = list(shrink.shape)
    return shape == list(threshold.shape) and len(shape) == 4 and shape[1] == 1 and 0 not in shape


def _rows(maps: paddle.Tensor) -> FloatArray:
    """View [N, 1, H, W] as [N, H * W]."""
    rows: FloatArray = planes_of(maps)[:, 0]
    return rows
