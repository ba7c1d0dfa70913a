"""The shape of an image from its header alone, upright as `read_image` will give it."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image as PillowImage

from runtime.errors import ImageError

_EXIF_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)


def ratio_from_header(image: Path | bytes, name: str) -> float:
    """Return width over height of an image without reading its pixels.

    Args:
        image: a path, or the bytes of an image file.
        name: for messages.

    Raises:
        ImageError: if it is missing or not an image.
    """
    source = io.BytesIO(image) if isinstance(image, bytes) else image
    try:
        with PillowImage.open(source) as opened:
            width, height = opened.size
            is_sideways = opened.getexif().get(_EXIF_ORIENTATION) in _SIDEWAYS
    except Exception as error:  # Pillow's readers raise many kinds on a damaged image
        reason = getattr(error, "strerror", None) or "its header is not that of an image"
        raise ImageError(f"{name}: {reason}; check the file") from error
    return height / width if is_sideways else width / height
