"""Decodes image files, whose headers were checked before, in this process."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.images import tiff as tiff_header
from runtime.images.formats import JPEG_SIGNATURE, exif_orientation, transparent_grey_level
from runtime.images.pixels import bgr_from_array, multiplied_over_white, upright


def decode_image(data: bytes, size: tuple[int, int], page: int | None) -> NDArray[np.uint8]:
    """Decode an image file upright, opaque and 8 bits deep.

    Args:
        data: the bytes of the file.
        size: width and height in px that its header states.
        page: number of the page or frame, from 0; None for the first.

    Returns:
        BGR uint8 [h, w, 3].

    Raises:
        ImageError: if OpenCV cannot decode it, or decodes another size.
    """
    # IMREAD_UNCHANGED ignores a JPEG's orientation and returns raw CMYK.
    is_jpeg = data.startswith(JPEG_SIGNATURE)
    decoded = _decode(data, cv2.IMREAD_COLOR if is_jpeg else cv2.IMREAD_UNCHANGED, page)
    height, width = decoded.shape[:2]
    if size not in ((width, height), (height, width)):
        raise ImageError(
            f"its header says {size[0]} x {size[1]} px, OpenCV decodes {width} x {height} px: "
            "expected one size; save the image again"
        )
    transparent = transparent_grey_level(data)
    if transparent is not None and decoded.ndim == 2:
        decoded[decoded == transparent] = np.iinfo(decoded.dtype).max
    elif (
        decoded.ndim == 3 and data.startswith(tiff_header.SIGNATURES) and decoded.dtype == np.uint8
    ):
        decoded = multiplied_over_white(decoded)
    return bgr_from_array(upright(decoded, exif_orientation(data)))


def not_an_image(data: bytes) -> ImageError:
    """Return the error for bytes that begin as no known format does."""
    return ImageError(
        f"not an image that OpenCV can decode ({cv2.__version__}): its {len(data)} bytes "
        f"begin with {data[:8]!r}; expected JPEG, PNG, TIFF, WebP, BMP or another common format"
    )


def _decode(data: bytes, flags: int, page: int | None) -> NDArray[np.uint8]:
    """Decode a page as OpenCV does, of any depth and number of channels.

    Raises:
        ImageError: if OpenCV cannot decode it.
    """
    decoded: object = None
    try:
        if page is None:
            decoded = _decode_first(data, flags)
        elif data.startswith(tiff_header.SIGNATURES):
            decoded = _decode_first(tiff_header.with_first_page(data, page), flags)
        else:
            decoded = _decode_frame(data, flags, page)
    except cv2.error as error:
        reason = getattr(error, "err", "") or str(error)
        if "CV_IO_MAX_IMAGE" in reason:
            raise ImageError(
                "the image is larger than OpenCV decodes (2^20 px a side, 2^30 px in all) or than "
                "its header says; cut the lines out of it first"
            ) from error
        raise ImageError(f"OpenCV cannot decode it: {' '.join(reason.split())}") from error
    except MemoryError as error:
        raise ImageError("no memory is left to decode it; lower --max-pixels") from error
    if decoded is None:
        raise not_an_image(data)
    return decoded  # type: ignore[return-value]


def _decode_first(data: bytes, flags: int) -> object:
    """Decode the first page or frame; None if OpenCV does not know the format."""
    return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)


def _decode_frame(data: bytes, flags: int, number: int) -> object:
    """Decode a frame of an animation; OpenCV before 4.11 decodes only the first."""
    if hasattr(cv2, "imdecodeanimation"):
        buffer = np.frombuffer(data, dtype=np.uint8)
        return next(iter(cv2.imdecodeanimation(buffer, number, 1)[1].frames), None)
    if number == 0:
        return _decode_first(data, flags)
    raise ImageError(
        f"OpenCV {cv2.__version__} decodes only the first frame of an animation; "
        "install opencv-python-headless 4.12 or later"
    )
