import struct
from collections.abc import Callable, Iterator
from itertools import islice

import cv2
import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images.formats import (
    MOST_PARTS,
    exif_orientation,
    jpeg_segments,
    png_chunks,
    riff_chunks,
    transparent_grey_level,
)

IMAGE = cv2.resize(
    np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8), (96, 32)
).astype(np.uint8)


def encoded(suffix: str, *flags: int) -> bytes:
    return bytes(cv2.imencode(suffix, IMAGE, list(flags))[1])


JPEG = encoded(".jpg")
PNG = encoded(".png")


def test_fill_bytes_are_passed_over_at_once() -> None:
    """So many take minutes to a pattern that goes back, and no time to one that does not."""
    filled = JPEG[:2] + b"\xff" * 2**21 + JPEG[2:]
    assert [marker for marker, _ in jpeg_segments(filled)] == [
        marker for marker, _ in jpeg_segments(JPEG)
    ]
    assert list(jpeg_segments(b"\xff\xd8" + b"\xff" * 2**21)) == []


@pytest.mark.parametrize("before", range(2**20 - 6, 2**20 + 3))
def test_no_marker_is_lost_between_windows(before: int) -> None:
    data = b"\xff\xd8\xff\xda\x00\x02" + b"\0" * before + b"\xff\xd9"
    assert [marker for marker, _ in jpeg_segments(data)] == [0xDA, 0xD9]


@pytest.mark.parametrize(
    "walk",
    [
        lambda: jpeg_segments(b"\xff\xd8" + b"\xff\x01" * (MOST_PARTS + 1)),
        lambda: png_chunks(PNG[:8] + (b"\0" * 4 + b"teXt" + b"\0" * 4) * (MOST_PARTS + 1)),
        lambda: riff_chunks(b"RIFF\0\0\0\0WEBP" + b"ABCD\0\0\0\0" * (MOST_PARTS + 1)),
    ],
)
def test_a_walk_ends_after_so_many_parts(walk: Callable[[], Iterator[object]]) -> None:
    parts = walk()
    assert sum(1 for _ in islice(parts, MOST_PARTS)) == MOST_PARTS
    with pytest.raises(ImageError, match="too many"):
        next(parts)


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [struct.pack(">I", len(body)) + kind + body + b"\0\0\0\0" for kind, body in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exif(order: str, orientation: int) -> bytes:
    header = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(f"{order}HHHII", 2, 0x100, 3, 1, 5)
    entries += struct.pack(f"{order}HHIHH", 0x112, 3, 1, orientation, 0)
    return header + struct.pack(f"{order}I", 8) + entries


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_of_png_and_webp(order: str) -> None:
    body = exif(order, 6)
    assert exif_orientation(png_with((b"IHDR", b"\0" * 13), (b"eXIf", body))) == 6
    riff = b"VP8L" + struct.pack("<I", 3) + b"abc\0" + b"EXIF" + struct.pack("<I", len(body)) + body
    assert exif_orientation(b"RIFF" + struct.pack("<I", len(riff) + 4) + b"WEBP" + riff) == 6


@pytest.mark.parametrize("body", [b"", b"II*\0", exif("<", 9), exif("<", 6)[:15], b"??" * 20])
def test_damaged_orientation_is_upright(body: bytes) -> None:
    assert exif_orientation(png_with((b"eXIf", body))) == 1


def test_plain_files_are_upright() -> None:
    assert exif_orientation(PNG) == 1
    assert exif_orientation(JPEG) == 1


@pytest.mark.parametrize(
    ("bits", "colour_type", "level", "expected"),
    [(8, 0, 7, 7), (1, 0, 1, 255), (2, 0, 1, 85), (16, 0, 700, 700), (8, 2, 7, None)],
)
def test_transparent_grey(bits: int, colour_type: int, level: int, expected: int | None) -> None:
    header = struct.pack(">IIBBBBB", 1, 1, bits, colour_type, 0, 0, 0)
    data = png_with((b"IHDR", header), (b"tRNS", struct.pack(">H", level)))
    assert transparent_grey_level(data) == expected


def test_no_transparent_grey_without_the_chunk() -> None:
    assert transparent_grey_level(PNG) is None
    assert transparent_grey_level(JPEG) is None
