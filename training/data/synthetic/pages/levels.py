"""Arithmetic on pictures of one or three channels, without a temporary for each of them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.scene import LUMA_BGR, Picture

Levels = Sequence[float] | NDArray[np.floating]


def plain(shape: tuple[int, int], color: Levels, is_grey: bool) -> Picture:
    """Make a picture of one colour: float32 [h, w] or BGR [h, w, 3]."""
    if is_grey:
        return np.full(shape, luma(color), np.float32)
    planes = [np.full(shape, level, np.float32) for level in color]
    return cv2.merge(planes).astype(np.float32, copy=False)


def luma(color: Levels) -> float:
    """Return the brightness of a colour, 0 .. 255."""
    return float(np.asarray(color, np.float32) @ LUMA_BGR)


def spread(plane: Picture, picture: Picture) -> Picture:
    """Give a plane [h, w] as many channels as a picture has."""
    if picture.ndim == 2:
        return plane
    return cv2.merge((plane, plane, plane)).astype(np.float32, copy=False)


def scaled(picture: Picture, factor: NDArray[np.floating]) -> Picture:
    """Multiply a picture by factors [h, w]."""
    return picture * spread(factor.astype(np.float32, copy=False), picture)


def raised(picture: Picture, change: Picture, tint: Levels) -> Picture:
    """Add to a picture what is [h, w], in each channel times a tint."""
    if picture.ndim == 2:
        return picture + change * np.float32(luma(tint))
    planes = [change * np.float32(level) for level in tint]
    return picture + cv2.merge(planes).astype(np.float32, copy=False)


def blended(picture: Picture, color: Levels | Picture, share: Picture) -> Picture:
    """Go from a picture to a colour, or to another picture, by shares [h, w] of 0 .. 1."""
    if not isinstance(color, np.ndarray) or color.ndim == 1:
        color = plain(share.shape, color, picture.ndim == 2)
    target: Picture = np.subtract(color, picture)
    target *= spread(share, picture)
    target += picture
    return target
