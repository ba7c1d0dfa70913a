"""Compiled loops of the losses of several maps, which share their labels.

Stretches of pixels are divided among the threads; each stretch's sums are kept, so that the order
in which they are added does not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from training.kernels.compilation import compiled
from training.kernels.loops.maps.terms import (
    BLOCK,
    add_focal_slopes,
    distance_slopes,
    distance_sums,
    entropy_slopes,
    entropy_sum,
    error_powers,
    focal_sum,
    region_slopes,
    region_sums,
)

NONE, DISTANCE, DICE, DICE_FOCAL, ENTROPY = range(5)
"""What is asked of a map."""
SUMS = 5
"""Of each stretch: see `forward`."""


@compiled(parallel=True, error_model="numpy")
def forward(  # type: ignore[no-untyped-def]
    maps, label, mask, wanted, border, kinds, options, background, sums
):
    """Write what the loss of each map is made of.

    Args:
        maps: [N, C, P] float32.
        label, mask: [N, P] float32, of maps of text.
        wanted, border: the same, of maps that are compared by distance.
        kinds: [C] int64, numbers of this module.
        options: [C, 4] float32: the clip's two ends, alpha and gamma of the focal loss.
        background: [N, P] float32, overwritten with what `entropy_sum` writes.
        sums: [N, ceil(P / BLOCK), C, SUMS] float64, overwritten: the sums of `region_sums` (for
            ENTROPY the first is `entropy_sum`'s) and `focal_sum`, or those of `distance_sums`.
    """
    images, channels, pixels = maps.shape
    blocks = sums.shape[1]
    for part in prange(images * blocks):
        n, block = part // blocks, part % blocks
        start = block * BLOCK
        stop = min(start + BLOCK, pixels)
        powers = np.empty(BLOCK, np.float32)
        text, inside = label[n, start:stop], mask[n, start:stop]
        for channel in range(channels):
            kind = kinds[channel]
            low, high, alpha, gamma = options[channel]
            values = maps[n, channel, start:stop]
            of_block = sums[n, block, channel]
            of_block[:] = 0.0
            if kind == DISTANCE:
                of_block[0], of_block[1] = distance_sums(
                    values, wanted[n, start:stop], border[n, start:stop]
                )
            elif kind != NONE:
                of_block[0], of_block[1], of_block[2], of_block[3] = region_sums(
                    values, text, inside
                )
            if kind == DICE_FOCAL:
                error_powers(values, text, low, high, gamma - np.float32(1.0), powers)
                of_block[4] = focal_sum(values, text, inside, low, high, alpha, powers)
            elif kind == ENTROPY:
                of_block[0] = entropy_sum(values, text, inside, background[n, start:stop])


@compiled(parallel=True, error_model="numpy")
def backward(  # type: ignore[no-untyped-def]
    maps, label, mask, wanted, border, kinds, options, background, factors, dmaps
):
    """Write the gradient of the losses by the maps.

    Args:
        maps, label, mask, wanted, border, kinds, options, background: as in `forward`.
        factors: [C, 3] float32, the losses' derivatives by the sums of values on the label, of all
            values and of focal losses; by the distance; or by the cross entropy, and which loss a
            pixel of background must have to count.
        dmaps: as maps, overwritten.
    """
    images, channels, pixels = maps.shape
    blocks = (pixels + BLOCK - 1) // BLOCK
    for part in prange(images * blocks):
        n, block = part // blocks, part % blocks
        start = block * BLOCK
        stop = min(start + BLOCK, pixels)
        powers = np.empty(BLOCK, np.float32)
        text, inside = label[n, start:stop], mask[n, start:stop]
        for channel in range(channels):
            kind = kinds[channel]
            low, high, alpha, gamma = options[channel]
            first, second, third = factors[channel]
            values = maps[n, channel, start:stop]
            slopes = dmaps[n, channel, start:stop]
            if kind == DISTANCE:
                distance_slopes(values, wanted[n, start:stop], border[n, start:stop], first, slopes)
            elif kind == ENTROPY:
                of_rest = background[n, start:stop]
                entropy_slopes(values, text, inside, of_rest, second, first, slopes)
            elif kind == NONE:
                slopes[:] = np.float32(0.0)
            else:
                region_slopes(text, inside, first, second, slopes)
            if kind == DICE_FOCAL:
                error_powers(values, text, low, high, gamma - np.float32(1.0), powers)
                add_focal_slopes(
                    values, text, inside, low, high, alpha, gamma, powers, third, slopes
                )
