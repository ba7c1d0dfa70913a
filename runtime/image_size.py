"""How large an image file says its image is, found in its header before anything is decoded.

A file of a few hundred bytes may declare an image of gigabytes; whoever decodes first and asks
afterwards has lost the memory already.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from runtime import tiff_header
from runtime.image_formats import JPEG_SIGNATURE, PNG_SIGNATURE, jpeg_segments

Size = tuple[int, int]

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JP2_SIZE = b"\xff\x4f\xff\x51"
_NETPBM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,10})(?:\s|#[^\n]*\n)+(\d{1,10})(?!\d)")
_PAM = re.compile(rb"P7\s.*?WIDTH\s+(\d{1,10}).*?HEIGHT\s+(\d{1,10})(?!\d)", re.DOTALL)
_HEADER_BYTES = 4096


def declared_size(data: bytes, page: int = 0) -> Size | None:
    """Width and height in px as the header states them, before it is turned upright.

    Args:
        data: the bytes of an image file.
        page: from 0, in a TIFF file; the frames of an animation have one size.

    Returns:
        the size; None if this is no image of a format known here, or its header is damaged.
    """
    try:
        if data.startswith(tiff_header.SIGNATURES):
            return _tiff_size(data, page)
        for signature, size_of in _SIZES.items():
            if data.startswith(signature):
                return size_of(data)
        if data[4:8] == b"ftyp":
            return _avif_size(data)
        return None
    except struct.error:
        return None


def _png_size(data: bytes) -> Size:
    return struct.unpack_from(">II", data, 16)


def _jpeg_size(data: bytes) -> Size | None:
    for marker, position in jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 3)
            return width, height
    return None


def _tiff_size(data: bytes, page: int) -> Size | None:
    for index, fields in enumerate(tiff_header.directories(data)):
        if index == page:
            # libtiff decodes whole tiles, which may be larger than the image.
            width = max(fields.get(tiff_header.WIDTH, 0), fields.get(tiff_header.TILE_WIDTH, 0))
            height = max(fields.get(tiff_header.HEIGHT, 0), fields.get(tiff_header.TILE_HEIGHT, 0))
            return width, height
    return None


def _gif_size(data: bytes) -> Size:
    return struct.unpack_from("<HH", data, 6)


def _bmp_size(data: bytes) -> Size:
    (header_length,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_length == 12 else "<ii", data, 18)
    return abs(width), abs(height)  # a height below 0: rows from the top


def _webp_size(data: bytes) -> Size | None:
    kind = data[8:16]
    if kind == b"WEBPVP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return width + 1, height + 1
    if kind == b"WEBPVP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"WEBPVP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jp2_size(data: bytes) -> Size | None:
    position = data.find(_JP2_SIZE)
    if position < 0:
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", data, position + 8)
    return right - left, bottom - top


def _avif_size(data: bytes) -> Size | None:
    sizes = [
        struct.unpack_from(">II", data, found.end() + 4)
        for found in re.finditer(b"ispe", data[:_HEADER_BYTES])
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _netpbm_size(data: bytes) -> Size | None:
    found = _NETPBM.match(data) or _PAM.match(data[:_HEADER_BYTES])
    return (int(found[1]), int(found[2])) if found else None


def _sun_size(data: bytes) -> Size:
    return struct.unpack_from(">II", data, 4)


_SIZES: dict[bytes, Callable[[bytes], Size | None]] = {
    PNG_SIGNATURE: _png_size,
    JPEG_SIGNATURE: _jpeg_size,
    b"GIF8": _gif_size,
    b"BM": _bmp_size,
    b"RIFF": _webp_size,
    b"\0\0\0\x0cjP  \r\n\x87\n": _jp2_size,
    _JP2_SIZE: _jp2_size,
    b"\x59\xa6\x6a\x95": _sun_size,
    **{b"P%d" % kind: _netpbm_size for kind in range(1, 8)},
}
