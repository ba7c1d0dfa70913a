"""Input sizes within what a network takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from runtime.detection.preprocess import MOST_PIXELS, MOST_SIDE_PX, STRIDE_PX, Sizes


class SizeRange(NamedTuple):
    """Heights and widths in px that a network takes."""

    min_height: int
    max_height: int
    min_width: int
    max_width: int


def fixed_range(sizes: Sequence[int | None]) -> tuple[SizeRange, ...]:
    """Return what a network takes whose height or width is fixed; nothing where both are open.

    Args:
        sizes: height and width in px, None where one is open.
    """
    height, width = sizes
    if height is None and width is None:
        return ()
    heights = (STRIDE_PX, MOST_SIDE_PX) if height is None else (height, height)
    widths = (STRIDE_PX, MOST_SIDE_PX) if width is None else (width, width)
    return (SizeRange(*heights, *widths),)


@dataclass(frozen=True)
class SizesWithin:
    """The sizes of a policy, made smaller where the network or memory asks for it.

    Args:
        policy: tells the sizes wanted.
        ranges: of what the network takes, one or another; empty where it takes every size.
    """

    policy: Sizes
    ranges: Sequence[SizeRange] = ()

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width in px of the input, of at most 2^25 px.

        Of several ranges that one counts which keeps most of the pixels, the first of equals.

        Args:
            height, width: of the image in px.
        """
        wanted = self.policy.input_size(height, width)
        if wanted[0] * wanted[1] > MOST_PIXELS:
            wanted = _shrunk(wanted, math.sqrt(MOST_PIXELS / (wanted[0] * wanted[1])))
        if not self.ranges:
            return wanted
        fitted = (_fitted(wanted, limits) for limits in self.ranges)
        return max(fitted, key=lambda size: _kept(size, wanted))


def _fitted(size: tuple[int, int], limits: SizeRange) -> tuple[int, int]:
    """Shrink a size into a range, keeping its proportions as far as the range lets them be."""
    height, width = size
    ratio = min(limits.max_height / height, limits.max_width / width)
    if ratio < 1:
        height, width = _shrunk(size, ratio)
    return (
        min(max(height, limits.min_height), limits.max_height),
        min(max(width, limits.min_width), limits.max_width),
    )


def _shrunk(size: tuple[int, int], ratio: float) -> tuple[int, int]:
    height, width = (max(int(side * ratio) // STRIDE_PX, 1) * STRIDE_PX for side in size)
    return height, width


def _kept(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[float, int]:
    """Order sizes by how much of a wanted one they keep, and how little they add to it."""
    return min(1.0, size[0] / wanted[0], size[1] / wanted[1]), -size[0] * size[1]
