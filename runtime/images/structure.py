"""Whether an image file is whole, and whether its header bounds the work of decoding it.

OpenCV decodes many damaged JPEGs without a word, leaving the rest of the line grey.
"""

from __future__ import annotations

from runtime.errors import ImageError
from runtime.images.formats import JPEG_SIGNATURE, PNG_SIGNATURE, jpeg_segments, png_chunks
from runtime.images.size import JPEG_FRAMES, JPEG_SCAN

_JPEG_END = 0xD9
_FEW_SCANS = 4
"""One for each colour of a JPEG and black: none is decoded twice."""

MOST_SCANNED_PIXELS = 2**24
"""Scans x pixels of a JPEG of more scans that is decoded in place: a third of a second."""

MOST_SCANS = 100
"""Of a JPEG: encoders write 10, and some 60 where they look for the shortest file."""

SCANS_OF_LARGEST = 16
"""Scans that an image of `max_pixels` may have; a smaller one may have more, up to as many pixels
in all: at the default 64 M pixels a second's work, measured at about 1 ns a pixel and scan."""

_COMPRESSED_TEXTS = (b"zTXt", b"iTXt", b"iCCP")
_FEW_TEXTS = 8
"""Of a PNG; libpng unpacks each into up to 8 MB and keeps them until the end."""

_BOUNDED = (b"BM", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")


def is_bounded(data: bytes, num_pixels: int, max_pixels: int) -> bool:
    """Whether work and memory of decoding follow from the header and the length of the file.

    They do not where a header says little (the compression of a TIFF), where a decoder builds
    tables by what the data say (lossless WebP), or where data are decoded many times over (scans
    of a JPEG, frames of an animation).

    Args:
        data: the bytes of an image file.
        num_pixels: as its header states them.
        max_pixels: of the largest image that is read.

    Raises:
        ImageError: if a JPEG or PNG file is not whole or states its size twice, or a JPEG has
            more than `MOST_SCANS`, or more for its size than `SCANS_OF_LARGEST` allows. OpenCV
            itself refuses the other formats when they are cut short.
    """
    if data.startswith(JPEG_SIGNATURE):
        num_scans = _num_jpeg_scans(data)
        most = min(MOST_SCANS, SCANS_OF_LARGEST * max_pixels // max(1, num_pixels))
        if num_scans > most:
            raise _too_many_scans(most)
        return num_scans <= _FEW_SCANS or num_scans * num_pixels <= MOST_SCANNED_PIXELS
    if data.startswith(PNG_SIGNATURE):
        return _is_plain_png(data)
    return data.startswith(_BOUNDED) or (data.startswith(b"RIFF") and data[12:16] == b"VP8 ")


def _num_jpeg_scans(data: bytes) -> int:
    """Scans up to the end-of-image marker.

    Walking the segments keeps a thumbnail inside the EXIF data from being taken for the image.
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
