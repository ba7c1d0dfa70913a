"""Takes images of Pillow without importing Pillow: the caller who has such an image has done so."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.images.pixels import check_size, upright

_EXIF_ORIENTATION = 0x0112
_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N")
_TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")
_NUMBERS = ("I", "F")


def is_pillow_image(source: object) -> bool:
    """Tell whether an object has the attributes of an image of Pillow."""
    return all(hasattr(source, name) for name in ("__array_interface__", "mode", "convert", "size"))


def array_from_pillow(image: Any, max_pixels: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Take the pixels of an image of Pillow, turned as its EXIF data say.

    Args:
        image: of any mode that defines the level of white.
        max_pixels: a larger image is refused before Pillow decodes it.

    Returns:
        uint8 or uint16, as `read_image` takes it.

    Raises:
        ImageError: if it is too large, or of a mode whose levels have no defined range.
    """
    width, height = image.size
    check_size(width, height, max_pixels)
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1) if hasattr(image, "getexif") else 1
    if image.mode in _NUMBERS:
        raise ImageError(
            f"a Pillow image of mode {image.mode} does not say which level is white: expected "
            'RGB, L or another with levels up to 255; scale it and pass image.convert("L")'
        )
    turn = orientation if orientation in range(1, 9) else 1
    if image.mode in _DEEP_GREY:
        return upright(np.asarray(image).astype(np.uint16), turn)
    if "transparency" in getattr(image, "info", {}) or image.mode in _TRANSPARENT:
        return upright(np.asarray(image.convert("RGBA"))[:, :, [2, 1, 0, 3]], turn)
    return upright(np.asarray(image.convert("RGB"))[:, :, ::-1], turn)
