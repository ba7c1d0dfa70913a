"""The picture of a page as a PDF file holds it: a JPEG as it is, others anew.

Source: PDF 32000-1, 7.4 (filters) and 8.9.5 (images).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.images.formats import JPEG_SIGNATURE, jpeg_orientation, jpeg_segments, png_parts
from runtime.images.read import ImageSource, most_bytes, read_image
from runtime.images.size import JPEG_FRAMES
from runtime.images.sources import NamedImage

_LOSSY = (b"RIFF", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_AVIF_AT = 4
_JPEG_QUALITY = 92
_SPACES = {1: "/DeviceGray", 3: "/DeviceRGB"}


class Picture(NamedTuple):
    """An image as a stream of a PDF file.

    Args:
        width_px, height_px: as it is seen.
        entries: of the stream's dictionary.
        data: of the stream.
    """

    width_px: int
    height_px: int
    entries: str
    data: bytes


def picture_of(source: ImageSource, max_pixels: int) -> Picture:
    """Return the picture of a page; a JPEG that stands upright is passed on as it is.

    Args:
        source: of the page.
        max_pixels: as `read_image`.

    Raises:
        ImageError: as `read_image`.
    """
    data = _bytes_of(source, max_pixels)
    if data is not None and data.startswith(JPEG_SIGNATURE):
        found = _jpeg_as_it_is(data)
        if found is not None:
            read_image(data, max_pixels)  # whole, and no larger than is allowed
            return found
    pixels = read_image(source, max_pixels)
    is_lossy = data is None or data.startswith((JPEG_SIGNATURE, *_LOSSY))
    is_lossy = is_lossy or (data is not None and data[_AVIF_AT : _AVIF_AT + 4] == b"ftyp")
    return jpeg_picture(pixels) if is_lossy else exact_picture(pixels)


def exact_picture(pixels: NDArray[np.uint8]) -> Picture:
    """Return a picture without loss, grey or black and white if it is.

    Args:
        pixels: BGR uint8 [h, w, 3].
    """
    height, width = pixels.shape[:2]
    flags: list[int] = []
    image, bits, channels = pixels, 8, 3
    if _is_grey(pixels):
        image, channels = np.ascontiguousarray(pixels[:, :, 0]), 1
        if not np.any((image != 0) & (image != 255)):
            flags, bits = [cv2.IMWRITE_PNG_BILEVEL, 1], 1
    encoded = cv2.imencode(".png", image, flags)[1].tobytes()
    entries = (
        f"{_head(width, height, channels, bits)} /Filter /FlateDecode "
        f"/DecodeParms << /Predictor 15 /Colors {channels} /BitsPerComponent {bits} "
        f"/Columns {width} >>"
    )
    return Picture(width, height, entries, b"".join(png_parts(encoded, b"IDAT")))


def jpeg_picture(pixels: NDArray[np.uint8]) -> Picture:
    """Return a picture as a JPEG.

    Args:
        pixels: BGR uint8 [h, w, 3].
    """
    height, width = pixels.shape[:2]
    image = np.ascontiguousarray(pixels[:, :, 0]) if _is_grey(pixels) else pixels
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
    entries = f"{_head(width, height, 1 if image.ndim == 2 else 3, 8)} /Filter /DCTDecode"
    return Picture(width, height, entries, data)


def _jpeg_as_it_is(data: bytes) -> Picture | None:
    """Return a JPEG file as a picture; None if a PDF file would show it otherwise."""
    if jpeg_orientation(data) != 1:
        return None
    for marker, position in jpeg_segments(data):
        if marker in JPEG_FRAMES:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, position + 2)
            if bits != 8 or channels not in _SPACES:
                return None
            entries = f"{_head(width, height, channels, 8)} /Filter /DCTDecode"
            return Picture(width, height, entries, data)
    return None


def _head(width: int, height: int, channels: int, bits: int) -> str:
    return (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} "
        f"/ColorSpace {_SPACES[channels]} /BitsPerComponent {bits}"
    )


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    blue = pixels[:, :, 0]
    return np.array_equal(blue, pixels[:, :, 1]) and np.array_equal(blue, pixels[:, :, 2])


def _bytes_of(source: ImageSource, max_pixels: int) -> bytes | None:
    """Return the bytes of a source that is a file of one image; None for any other."""
    if isinstance(source, NamedImage):
        return source.data
    if isinstance(source, bytes):
        return source
    if isinstance(source, str | Path):
        try:
            path = Path(source)
            if path.is_file() and path.stat().st_size <= most_bytes(max_pixels):
                return path.read_bytes()
        except OSError:
            return None
    return None
