"""What the bytes of an image file say before it is decoded: is it whole, which way is it up.

OpenCV decodes many damaged JPEGs without a word, leaving the rest of the line grey, and leaves
EXIF orientation and grey transparency alone when it is asked for the alpha channel.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

JPEG_SIGNATURE = b"\xff\xd8\xff"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
UPRIGHT = 1

# In entropy-coded data every FF is followed by 00 or by a restart marker (D0 .. D7), so that a
# marker found by this pattern is one.
_JPEG_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_JPEG_END = 0xD9
_JPEG_WITHOUT_LENGTH = (0x01, 0xD8)
_EXIF_ORIENTATION = 0x0112


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The marker of each segment of a JPEG file, and where what follows the marker begins."""
    position = len(JPEG_SIGNATURE) - 1
    while found := _JPEG_MARKER.search(data, position):
        marker, position = found[1][0], found.end()
        yield marker, position
        if marker not in _JPEG_WITHOUT_LENGTH:
            position += int.from_bytes(data[position : position + 2], "big")


def is_jpeg_whole(data: bytes) -> bool:
    """Whether the segments of a JPEG file lead to its end-of-image marker.

    Walking the segments keeps a thumbnail inside the EXIF data from being taken for the image.
    """
    return any(marker == _JPEG_END for marker, _ in jpeg_segments(data))


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the whole chunks of a PNG file; image data comes back empty."""
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        yield kind, b"" if kind == b"IDAT" else data[position + 8 : end]
        position = end + 4


def is_truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG file ends before its image does; False for other formats.

    OpenCV itself refuses the other formats when they are cut short.
    """
    if data.startswith(JPEG_SIGNATURE):
        return not is_jpeg_whole(data)
    if data.startswith(PNG_SIGNATURE):
        return all(kind != b"IEND" for kind, _ in png_chunks(data))
    return False


def exif_orientation(data: bytes) -> int:
    """EXIF orientation (1 .. 8) of a PNG or WebP file, 1 when it states none.

    JPEG is left out: OpenCV turns it by itself. So does TIFF's own orientation tag.
    """
    if data.startswith(PNG_SIGNATURE):
        return next((_orientation(body) for kind, body in png_chunks(data) if kind == b"eXIf"), 1)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return next((_orientation(body) for kind, body in riff_chunks(data) if kind == b"EXIF"), 1)
    return UPRIGHT


def transparent_grey_level(data: bytes) -> int | None:
    """The grey level that a PNG without alpha declares transparent, as OpenCV decodes it.

    Returns:
        a level of 0 .. 255, or 0 .. 65535 in a 16-bit file; None when there is none.
    """
    if not data.startswith(PNG_SIGNATURE):
        return None
    chunks = {kind: body for kind, body in png_chunks(data) if kind in (b"IHDR", b"tRNS")}
    header, transparency = chunks.get(b"IHDR", b""), chunks.get(b"tRNS", b"")
    is_grey = len(header) >= 10 and header[9] == 0
    if not is_grey or len(transparency) != 2:
        return None
    bits, level = header[8], int.from_bytes(transparency, "big")
    return level if bits >= 8 else level * (255 // (2**bits - 1))


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the chunks of a WebP file; all but EXIF data come back empty."""
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind, data[position + 8 : position + 8 + length] if kind == b"EXIF" else b""
        position += 8 + length + length % 2


def _orientation(exif: bytes) -> int:
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return UPRIGHT
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
            if tag == _EXIF_ORIENTATION:
                return int(value) if 1 <= value <= 8 else UPRIGHT
    except struct.error:
        # Damaged metadata around a sound image: it is read as it lies.
        return UPRIGHT
    return UPRIGHT
