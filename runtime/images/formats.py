"""Walks through the parts of image files before they are decoded, and reads their orientation.

OpenCV ignores EXIF orientation and grey transparency when it decodes the alpha channel.
Every walk is linear in the bytes of the file and ends after a bounded number of parts: the sender
of a file chooses its bytes, and a walk in Python costs 1,000 times what sending them costs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from runtime.errors import ImageError

JPEG_SIGNATURE = b"\xff\xd8\xff"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
UPRIGHT = 1

MOST_PARTS = 2**18
"""Bound of the segments or chunks of a file: 2 GiB in libpng's chunks of 8 KiB."""

# In entropy-coded data every FF is followed by 00 or by a restart marker (D0 .. D7), which this
# pattern leaves out. Fill bytes need no repetition: of `FF FF FF C0` the last two bytes match, in
# a single pass.
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_JPEG_WITHOUT_LENGTH = (0x01, 0xD8)
_JPEG_EXIF = 0xE1
_EXIF_ORIENTATION = 0x0112
_MOST_EXIF_FIELDS = 1024
# A search holds Python's interpreter lock; it is done in windows of this length, between which
# other threads can run.
_WINDOW_BYTES = 2**20


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker of each segment of a JPEG file, and the position behind the marker.

    Raises:
        ImageError: if there are more than `MOST_PARTS`.
    """
    position = len(JPEG_SIGNATURE) - 1
    num_segments = 0
    while position < len(data):
        found = _JPEG_MARKER.search(data, position, position + _WINDOW_BYTES)
        if found is None:
            position += _WINDOW_BYTES - 1  # the last byte may be the first of a marker
            continue
        num_segments += 1
        _check_number(num_segments, "segments")
        marker, position = found[1][0], found.end()
        yield marker, position
        if marker not in _JPEG_WITHOUT_LENGTH:
            position += max(2, int.from_bytes(data[position : position + 2], "big"))


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of the complete chunks of a PNG file; image data is yielded empty.

    Raises:
        ImageError: if there are more than `MOST_PARTS`.
    """
    position = len(PNG_SIGNATURE)
    num_chunks = 0
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        num_chunks += 1
        _check_number(num_chunks, "chunks")
        yield kind, b"" if kind in (b"IDAT", b"fdAT") else data[position + 8 : end]
        position = end + 4


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start of the content and length in bytes of each chunk of a WebP file.

    Raises:
        ImageError: if there are more than `MOST_PARTS`.
    """
    position = 12
    num_chunks = 0
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        num_chunks += 1
        _check_number(num_chunks, "chunks")
        yield kind, position + 8, length
        position += 8 + length + length % 2


def exif_orientation(data: bytes) -> int:
    """Return the EXIF orientation (1 .. 8) of a PNG or WebP file, 1 when it states none.

    JPEG and TIFF files give 1: OpenCV turns them itself.
    """
    if data.startswith(PNG_SIGNATURE):
        return next((_orientation(body) for kind, body in png_chunks(data) if kind == b"eXIf"), 1)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        exif = (
            data[start : start + length]
            for kind, start, length in riff_chunks(data)
            if kind == b"EXIF"
        )
        return _orientation(next(exif, b""))
    return UPRIGHT


def jpeg_orientation(data: bytes) -> int:
    """Return the EXIF orientation (1 .. 8) of a JPEG file, 1 when it states none."""
    for marker, position in jpeg_segments(data):
        length = int.from_bytes(data[position : position + 2], "big")
        if marker == _JPEG_EXIF and data[position + 2 : position + 8] == b"Exif\0\0":
            return _orientation(data[position + 2 : position + length])
    return UPRIGHT


def png_parts(data: bytes, kind: bytes) -> Iterator[bytes]:
    """Yield the content of the chunks of a type of a PNG file, image data too."""
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, found = struct.unpack_from(">I4s", data, position)
        if found == kind:
            yield data[position + 8 : position + 8 + length]
        position += 12 + length


def transparent_grey_level(data: bytes) -> int | None:
    """Return the grey level that a PNG without alpha declares transparent, as OpenCV decodes it.

    Returns:
        a level of 0 .. 255, or 0 .. 65535 in a 16-bit file; None when there is none.
    """
    if not data.startswith(PNG_SIGNATURE):
        return None
    chunks = {kind: body for kind, body in png_chunks(data) if kind in (b"IHDR", b"tRNS")}
    header, transparency = chunks.get(b"IHDR", b""), chunks.get(b"tRNS", b"")
    is_grey = len(header) >= 10 and header[9] == 0 and header[8] in (1, 2, 4, 8, 16)
    if not is_grey or len(transparency) != 2:
        return None
    bits, level = header[8], int.from_bytes(transparency, "big")
    return level if bits >= 8 else level * (255 // (2**bits - 1))


def _check_number(number: int, parts: str) -> None:
    if number > MOST_PARTS:
        raise ImageError(
            f"made of too many {parts}: expected at most {MOST_PARTS}; save the image again"
        )


def _orientation(exif: bytes) -> int:
    """Return the orientation (1 .. 8) in EXIF data, 1 when they state none."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return UPRIGHT
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, directory)
        start = directory + 2
        for entry in range(start, start + 12 * min(count, _MOST_EXIF_FIELDS), 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
            if tag == _EXIF_ORIENTATION:
                return int(value) if 1 <= value <= 8 else UPRIGHT
    except struct.error:
        return UPRIGHT  # damaged metadata do not make the image unreadable
    return UPRIGHT
