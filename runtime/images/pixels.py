"""Converts the pixels of decoders and callers to BGR, opaque, 8 bits deep."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.uint16])


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse an image that is too large.

    Raises:
        ImageError: if `width` x `height` px are more than `max_pixels`.
    """
    if width * height > max_pixels:
        raise ImageError(
            f"too large: {width} x {height} px are {width * height} pixels, expected at most "
            f"{max_pixels}; cut the lines out of it first, or raise --max-pixels"
        )


def upright(image: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation: 5 .. 8 are mirrored at the diagonal, then treated as 1 .. 4."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def bgr_from_array(array: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Convert an array to BGR uint8 [h, w, 3]; an array of this form is returned uncopied.

    Args:
        array: uint8 or uint16, [h, w], [h, w, 1], [h, w, 3] in BGR order or [h, w, 4] in BGRA
            order; transparent parts become white.

    Raises:
        ImageError: if it is of another type or shape.
    """
    channels = 1 if array.ndim == 2 else array.shape[-1] if array.ndim else 0
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise ImageError(
            "cannot take the array for an image: expected shape [h, w], [h, w, 1], [h, w, 3] or "
            f"[h, w, 4] without a zero, got {list(array.shape)}"
        )
    if array.dtype == np.uint16:
        # 65535 = 255 * 257, so white stays white; OpenCV rounds, and needs no temporary array.
        array = (
            cv2.convertScaleAbs(array, alpha=1 / 257)
            .reshape(array.shape)
            .astype(np.uint8, copy=False)
        )
    elif array.dtype != np.uint8:
        raise ImageError(
            f"cannot take levels of type {array.dtype}: expected 8 or 16 bits unsigned; "
            "scale the image to 0 .. 255 and make it uint8"
        )
    image = np.ascontiguousarray(array, dtype=np.uint8)
    if channels == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    return _over_white(image) if channels == 4 else image


def multiplied_over_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend BGRA with premultiplied colours, as libtiff returns 8 bits, over white.

    An image without alpha is returned unchanged.
    """
    if image.shape[2] != 4:
        return image
    return cv2.add(image[:, :, :3], 255 - image[:, :, 3:].repeat(3, axis=2)).astype(np.uint8)


def _over_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend BGRA uint8 [h, w, 4] over white, rounding to the nearest level."""
    alpha = image[:, :, 3:].astype(np.uint16)
    blended = image[:, :, :3] * alpha  # 255 * 255 and half of 255 still fit 16 bits
    blended += 255 * (255 - alpha) + 127
    blended //= 255
    return blended.astype(np.uint8)
