"""Reads the size of an image from the header of its file, before anything is decoded.

A file of a few hundred bytes may declare an image of gigabytes, so the size is checked before
memory is allocated for it. A file that states two sizes, or one that decoders read differently, is
refused: the size that is checked must be the size that is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from runtime.errors import ImageError
from runtime.images import tiff as tiff_header
from runtime.images.box_files import CODESTREAM_SIGNATURE, JP2_SIGNATURE, avif_size, jp2_size
from runtime.images.formats import JPEG_SIGNATURE, PNG_SIGNATURE, jpeg_segments, riff_chunks
from runtime.images.netpbm import netpbm_size

Size = tuple[int, int]

JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_SCAN = 0xDA

_VP8_START = b"\x9d\x01\x2a"
_VP8L_START = 0x2F
_VP8X_ANIMATED = 0x02


def declared_size(data: bytes, page: int = 0) -> Size | None:
    """Return the size as `size_in_header` does, but None where that raises an error."""
    try:
        return size_in_header(data, page)
    except ImageError:
        return None


def size_in_header(data: bytes, page: int = 0) -> Size | None:
    """Return width and height in px as the header states them, before the image is turned upright.

    Args:
        data: the bytes of an image file.
        page: of a TIFF file, from 0; the frames of an animation share one size.

    Returns:
        the size, both at least 1; None if this is no image of a format known here, or its header
        is cut short.

    Raises:
        ImageError: if the header contradicts itself, or states a size that no image has.
    """
    try:
        size = _stated_size(data, page)
    except (struct.error, IndexError, OverflowError):
        return None
    if size is not None and min(size) < 1:
        raise ImageError(
            f"an impossible size: {size[0]} x {size[1]} px, expected at least 1 x 1; "
            "save the image again"
        )
    return size


def _stated_size(data: bytes, page: int) -> Size | None:
    """Return the size that the format's own reader finds; the size may be 0 or less."""
    if data.startswith(tiff_header.SIGNATURES):
        return tiff_header.page_size(data, page)
    for signature, size_of in _SIZES.items():
        if data.startswith(signature):
            return size_of(data)
    return avif_size(data) if data[4:8] == b"ftyp" else None


def _png_size(data: bytes) -> Size | None:
    length, kind, width, height = struct.unpack_from(">I4sII", data, len(PNG_SIGNATURE))
    return (width, height) if (length, kind) == (13, b"IHDR") else None


def _jpeg_size(data: bytes) -> Size | None:
    for marker, position in jpeg_segments(data):
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 3)
            return width, height
        if marker == JPEG_SCAN:
            return None
    return None


def _gif_size(data: bytes) -> Size:
    return struct.unpack_from("<HH", data, 6)


def _bmp_size(data: bytes) -> Size:
    (header_length,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_length == 12 else "<ii", data, 18)
    return width, abs(height)  # a height below 0: rows from the top


def _webp_size(data: bytes) -> Size | None:
    """Return the size of the image, or of the canvas of an animation."""
    if data[8:12] != b"WEBP":
        return None
    canvas: Size | None = None
    for kind, start, _ in riff_chunks(data):
        if kind == b"VP8X" and start == 20:
            width, height = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
            canvas = width + 1, height + 1
            if data[start] & _VP8X_ANIMATED:
                return canvas
        elif kind in (b"VP8 ", b"VP8L"):
            size = _vp8_size(data, start) if kind == b"VP8 " else _vp8l_size(data, start)
            if canvas not in (None, size):
                raise ImageError("the WebP file states two different sizes; save the image again")
            return size
        elif canvas is None:
            return None
    return None


def _vp8_size(data: bytes, start: int) -> Size | None:
    if data[start + 3 : start + 6] != _VP8_START:
        return None
    width, height = struct.unpack_from("<HH", data, start + 6)
    return width & 0x3FFF, height & 0x3FFF


def _vp8l_size(data: bytes, start: int) -> Size | None:
    signature, bits = struct.unpack_from("<BI", data, start)
    return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) if signature == _VP8L_START else None


def _sun_size(data: bytes) -> Size:
    return struct.unpack_from(">II", data, 4)


_SIZES: dict[bytes, Callable[[bytes], Size | None]] = {
    PNG_SIGNATURE: _png_size,
    JPEG_SIGNATURE: _jpeg_size,
    b"GIF87a": _gif_size,
    b"GIF89a": _gif_size,
    b"BM": _bmp_size,
    b"RIFF": _webp_size,
    JP2_SIGNATURE: jp2_size,
    CODESTREAM_SIGNATURE: jp2_size,
    b"\x59\xa6\x6a\x95": _sun_size,
    **{b"P%d" % kind: netpbm_size for kind in range(1, 8)},
}
