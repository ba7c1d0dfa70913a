"""Checks whether an image file is complete, and whether its header bounds the work of decoding it.

OpenCV decodes many truncated JPEGs without an error, leaving the rest of the line grey.
"""

from __future__ import annotations

from runtime.errors import ImageError
from runtime.images.formats import JPEG_SIGNATURE, PNG_SIGNATURE, jpeg_segments, png_chunks
from runtime.images.size import JPEG_FRAMES, JPEG_SCAN

_JPEG_END = 0xD9
_FEW_SCANS = 4
"""A scan for each of a JPEG's colours and black: none is decoded twice."""

MOST_SCANNED_PIXELS = 2**24
"""Bound of scans x pixels of a JPEG of more scans that this process decodes: 0.3 s of work."""

MOST_SCANS = 100
"""Bound of the scans of a JPEG: encoders write 10, or some 60 in search of the shortest file."""

SCANS_OF_LARGEST = 16
"""Scans that an image of `max_pixels` may have; a smaller image may have more, up to the same
scans x pixels: 1 s of work at the default 64 M pixels, measured at about 1 ns a pixel and scan."""

_COMPRESSED_TEXTS = (b"zTXt", b"iTXt", b"iCCP")
_FEW_TEXTS = 8
"""Texts of a PNG that this process decodes; libpng unpacks each into up to 8 MB and keeps it."""

_BOUNDED = (b"BM", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")


def is_bounded(data: bytes, num_pixels: int, max_pixels: int) -> bool:
    """Tell whether header and file length bound the time and memory of decoding.

    They do not where a header says little (the compression of a TIFF), where a decoder builds
    tables from the data (lossless WebP), or where data are decoded many times over (scans of a
    JPEG, frames of an animation).

    Args:
        data: the bytes of an image file.
        num_pixels: width x height that its header states.
        max_pixels: of the largest image that is read.

    Raises:
        ImageError: if a JPEG or PNG file is incomplete or states its size twice, or a JPEG has
            more than `MOST_SCANS`, or more for its size than `SCANS_OF_LARGEST` allows. OpenCV
            itself refuses incomplete files of the other formats.
    """
    if data.startswith(JPEG_SIGNATURE):
        num_scans = _count_jpeg_scans(data)
        most = min(MOST_SCANS, SCANS_OF_LARGEST * max_pixels // max(1, num_pixels))
        if num_scans > most:
            raise _too_many_scans(most)
        return num_scans <= _FEW_SCANS or num_scans * num_pixels <= MOST_SCANNED_PIXELS
    if data.startswith(PNG_SIGNATURE):
        return _is_plain_png(data)
    return data.startswith(_BOUNDED) or (data.startswith(b"RIFF") and data[12:16] == b"VP8 ")


def _count_jpeg_scans(data: bytes) -> int:
    """Count the scans up to the end-of-image marker.

    Walking the segments skips a thumbnail inside the EXIF data.

    Raises:
        ImageError: if there is no such marker, or several sizes, or more than `MOST_SCANS`.
    """
    num_frames = num_scans = 0
    for marker, _ in jpeg_segments(data):
        num_frames += marker in JPEG_FRAMES
        num_scans += marker == JPEG_SCAN
        if num_frames > 1:
            raise ImageError("the JPEG file states its size twice; save the image again")
        if num_scans > MOST_SCANS:
            raise _too_many_scans(MOST_SCANS)
        if marker == _JPEG_END:
            return num_scans
    raise _cut_short(data)


def _too_many_scans(most: int) -> ImageError:
    return ImageError(
        f"a JPEG of too many scans for its size: expected at most {most}; save the image again, "
        "not progressive"
    )


def _is_plain_png(data: bytes) -> bool:
    """Tell whether a PNG has a single frame and few compressed texts.

    Raises:
        ImageError: if it is incomplete or states its size twice.
    """
    num_headers = num_texts = 0
    is_plain = True
    for kind, _ in png_chunks(data):
        num_headers += kind == b"IHDR"
        num_texts += kind in _COMPRESSED_TEXTS
        is_plain &= kind != b"acTL"
        if num_headers > 1:
            raise ImageError("the PNG file states its size twice; save the image again")
        if kind == b"IEND":
            return is_plain and num_texts <= _FEW_TEXTS
    raise _cut_short(data)


def _cut_short(data: bytes) -> ImageError:
    return ImageError(
        f"the file is cut short: it ends after {len(data)} bytes, before its image does; "
        "copy it again"
    )
