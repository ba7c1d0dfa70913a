"""Losses of detectors' maps for paddle on a CPU: all maps of a head in one pass each way.

A Dice and a focal loss are dozens of paddle's operations, each a pass over the map, and each slice
of the maps costs a gradient of them all: 2.2 s of CPU time for the loss and the gradient of four
heads' maps [4, 3, 640, 640], which the loops make in 0.09 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import paddle
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor, planes_of, serves
from training.kernels.maps.terms import BorderTerm, EntropyTerm, RegionTerm, Term

Label: TypeAlias = tuple[paddle.Tensor, paddle.Tensor]
"""What a map should be, and 1 where that counts: float32 [N, H, W] each."""


def serves_maps(maps: paddle.Tensor, terms: Sequence[Term | None], *labels: paddle.Tensor) -> bool:
    """Tell whether `map_losses` may take a head's maps.

    Args:
        maps: [N, C, H, W].
        terms: C of them.
        labels: labels and masks.

    Returns:
        True in training, where `serves` is, if maps alone want a gradient and the sizes fit.
    """
    if maps.stop_gradient or not paddle.is_grad_enabled() or not serves(maps, *labels):
        return False
    images, channels, *size = maps.shape
    entropies = sum(isinstance(term, EntropyTerm) for term in terms)
    return (
        0 not in maps.shape
        and channels == len(terms)
        and entropies <= 1
        and all(not isinstance(term, RegionTerm) or term.is_computable for term in terms)
        and all(label.stop_gradient and label.shape == [images, *size] for label in labels)
    )


def map_losses(
    maps: paddle.Tensor, terms: Sequence[Term | None], text: Label, border: Label | None = None
) -> list[paddle.Tensor]:
    """Compare each map with its label.

    Args:
        maps: [N, C, H, W] float32, values 0 .. 1; `serves_maps` holds.
        terms: C of them: what is asked of each map, None for nothing.
        text: of the terms of regions and entropy; values 0 and 1.
        border: of a `BorderTerm`.

    Returns:
        A scalar for each map of which something is asked; gradients reach maps.
    """
    arrays = tuple(array_from_tensor(tensor) for tensor in (*text, *(border or text)))
    rows = tuple(array.reshape(len(array), -1) for array in arrays)
    losses: tuple[paddle.Tensor, ...] = _Losses.apply(maps, tuple(terms), rows)
    return list(losses)


class _Losses(PyLayer):
    """The differentiable call of the compiled loops."""

    @staticmethod
    def forward(
        ctx: Any, maps: paddle.Tensor, terms: tuple[Term | None, ...], rows: tuple[FloatArray, ...]
    ) -> tuple[paddle.Tensor, ...]:
        from training.kernels.loops.maps import losses as loops  # numba, only once it is needed
        from training.kernels.loops.maps.terms import BLOCK

        planes = planes_of(maps)
        images, channels, pixels = planes.shape
        has_entropy = any(isinstance(term, EntropyTerm) for term in terms)
        background = np.empty((images, pixels if has_entropy else 0), np.float32)
        asked = *_asked_of(terms), background
        sums = np.empty((images, -(-pixels // BLOCK), channels, loops.SUMS), np.float64)
        loops.forward(planes, *rows, *asked, sums)
        factors = np.zeros((channels, 3), np.float32)
        losses = []
        for channel, (term, found) in enumerate(zip(terms, sums.sum(axis=(0, 1)), strict=True)):
            if term is None:
                continue
            if isinstance(term, EntropyTerm):
                loss, factors[channel] = term.loss(found, background)
            else:
                loss, factors[channel] = term.loss(found)
            losses.append(paddle.to_tensor(loss, dtype="float32"))
        ctx.save_for_backward(maps)
        ctx.known = [channel for channel, term in enumerate(terms) if term], rows, asked, factors
        return tuple(losses)

    @staticmethod
    def backward(ctx: Any, *dlosses: paddle.Tensor) -> paddle.Tensor:
        from training.kernels.loops.maps import losses as loops

        (maps,) = ctx.saved_tensor()
        channels, rows, asked, factors = ctx.known
        scaled = factors.copy()
        for channel, dloss in zip(channels, dlosses, strict=True):
            scaled[channel] *= np.float32(float(dloss))
            # Not a derivative: which losses of the background count.
            if asked[0][channel] == loops.ENTROPY:
                scaled[channel, 1] = factors[channel, 1]
        dmaps = paddle.empty(maps.shape, dtype="float32")
        loops.backward(planes_of(maps), *rows, *asked, scaled, planes_of(dmaps))
        return dmaps


def _asked_of(terms: Sequence[Term | None]) -> tuple[Any, FloatArray]:
    """Return the loops' kinds int64 [C] and options float32 [C, 4]."""
    from training.kernels.loops.maps import losses as loops

    kinds = np.full(len(terms), loops.NONE, np.int64)
    options = np.zeros((len(terms), 4), np.float32)
    for channel, term in enumerate(terms):
        if isinstance(term, BorderTerm):
            kinds[channel] = loops.DISTANCE
        elif isinstance(term, EntropyTerm):
            kinds[channel] = loops.ENTROPY
        elif term is not None:
            kinds[channel] = loops.DICE_FOCAL if term.focal_weight else loops.DICE
            clip = term.clip, 1.0 - term.clip
            options[channel] = *clip, term.focal_alpha, term.focal_gamma
    return kinds, options
