"""Reads how many px an inch of an image has, where its file says so.

Sources: JFIF 1.02; PNG specification, pHYs; Exif 2.32 and TIFF 6.0, XResolution.
"""

from __future__ import annotations

import mmap
import struct
from os import PathLike

from runtime.images.formats import JPEG_SIGNATURE, PNG_SIGNATURE
from runtime.images.tiff import SIGNATURES

LEAST_PX_PER_INCH, MOST_PX_PER_INCH = 30.0, 2400.0
"""What lies beyond was not measured: screens, cameras and programs write 1, 72 or 0."""

_HEAD_BYTES = 2**16
_CM_PER_INCH = 2.54
_M_PER_INCH = 0.0254
_UNTOLD = 72.0
"""Programs write it where they know nothing."""

_NEARLY = 0.05
"""PNG counts whole px per metre."""

_X_RESOLUTION, _UNIT, _RATIONAL, _CENTIMETRES = 282, 296, 5, 3
_MOST_FIELDS = 4096

Buffer = bytes | mmap.mmap


def px_per_inch_of(file: str | PathLike[str] | bytes, page: int = 0) -> float | None:
    """Return how many px an inch of an image has.

    Args:
        file: path or bytes of an image file.
        page: of a TIFF file, from 0.

    Returns:
        None where the file does not say it, says 72, or cannot be read.
    """
    try:
        if isinstance(file, bytes):
            found = _stated(file, page)
        else:
            with open(file, "rb") as stream:
                head = stream.read(_HEAD_BYTES)
                if head.startswith(SIGNATURES):
                    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                        found = _stated(whole, page)
                else:
                    found = _stated(head, page)
    except (OSError, ValueError, struct.error, IndexError, ZeroDivisionError, OverflowError):
        return None
    if (
        found is None
        or abs(found - _UNTOLD) < _NEARLY
        or not LEAST_PX_PER_INCH <= found <= MOST_PX_PER_INCH
    ):
        return None
    return found


def _stated(data: Buffer, page: int) -> float | None:
    """Return what the file says, in px per inch."""
    head = data[:8]
    if head.startswith(SIGNATURES[:2]):
        return _of_tiff(data, page)
    if head.startswith(JPEG_SIGNATURE):
        return _of_jpeg(bytes(data[:_HEAD_BYTES]))
    if head.startswith(PNG_SIGNATURE):
        place = bytes(data[:_HEAD_BYTES]).find(b"pHYs")
        if place < 0:
            return None
        across, _, unit = struct.unpack_from(">IIB", data, place + 4)
        return across * _M_PER_INCH if unit == 1 else None
    return None


def _of_jpeg(data: bytes) -> float | None:
    """Return what the JFIF segment, or else the Exif segment, says."""
    position = 2
    stated: float | None = None
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        body = position + 4
        if marker == 0xE0 and data[body : body + 5] == b"JFIF\0":
            unit, across = struct.unpack_from(">BH", data, body + 7)
            if unit:
                stated = across * (_CM_PER_INCH if unit == 2 else 1)
        elif marker == 0xE1 and data[body : body + 6] == b"Exif\0\0":
            return stated or _of_tiff(data[body + 6 : position + 2 + length], 0)
        elif marker == 0xDA:
            break
        position += 2 + length
    return stated


def _of_tiff(data: Buffer, page: int) -> float | None:
    """Return what the directory of a page says."""
    order = "<" if data[:2] == b"II" else ">"
    (offset,) = struct.unpack_from(f"{order}I", data, 4)
    for _ in range(page):
        (count,) = struct.unpack_from(f"{order}H", data, offset)
        (offset,) = struct.unpack_from(f"{order}I", data, offset + 2 + 12 * count)
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    resolution, unit = None, 2
    for start in range(offset + 2, offset + 2 + 12 * min(count, _MOST_FIELDS), 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, start)
        if tag == _X_RESOLUTION and kind == _RATIONAL:
            (place,) = struct.unpack_from(f"{order}I", data, start + 8)
            over, under = struct.unpack_from(f"{order}II", data, place)
            resolution = over / under
        elif tag == _UNIT:
            (unit,) = struct.unpack_from(f"{order}H", data, start + 8)
    if resolution is None or unit not in (2, _CENTIMETRES):
        return None
    return resolution * (_CM_PER_INCH if unit == _CENTIMETRES else 1)
