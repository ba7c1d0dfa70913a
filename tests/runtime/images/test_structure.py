"""A file that is not whole, or that makes a decoder work without end, is known before decoding."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ImageError
from runtime.images.structure import (
    MOST_SCANNED_PIXELS,
    MOST_SCANS,
    SCANS_OF_LARGEST,
    is_bounded,
)

IMAGE = cv2.resize(
    np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8), (96, 32)
).astype(np.uint8)


def encoded(suffix: str, *flags: int) -> bytes:
    return bytes(cv2.imencode(suffix, IMAGE, list(flags))[1])


JPEG = encoded(".jpg")
PROGRESSIVE = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
PNG = encoded(".png")


def with_thumbnail(data: bytes, thumbnail: bytes) -> bytes:
    """A JPEG with a whole JPEG inside its EXIF segment, as cameras write."""
    body = b"Exif\0\0" + thumbnail
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def with_scans(num_scans: int) -> bytes:
    """A JPEG whose only scan is repeated."""
    start = JPEG.index(b"\xff\xda")
    return JPEG[:start] + JPEG[start:-2] * num_scans + b"\xff\xd9"


def with_chunks(kind: bytes, body: bytes, number: int = 1) -> bytes:
    """A PNG with chunks behind its header."""
    check = struct.pack(">I", zlib.crc32(kind + body))
    return PNG[:33] + (struct.pack(">I", len(body)) + kind + body + check) * number + PNG[33:]


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, RESTARTS, PNG, with_thumbnail(JPEG, JPEG)])
@given(st.data())
def test_every_cut_is_noticed(data: bytes, draw: st.DataObject) -> None:
    length = draw.draw(st.integers(8, len(data) - 1))
    with pytest.raises(ImageError, match="cut short"):
        is_bounded(data[:length], IMAGE.size, IMAGE.size)
    assert is_bounded(data, IMAGE.size, IMAGE.size)


@pytest.mark.parametrize("data", [JPEG, PNG])
def test_bytes_after_the_end_do_no_harm(data: bytes) -> None:
    assert is_bounded(data + b"\0" * 16, IMAGE.size, IMAGE.size)
    assert is_bounded(data + b"trailer \xff\xda of a camera", IMAGE.size, IMAGE.size)
    assert is_bounded(data + data, IMAGE.size, IMAGE.size), "as MPO files hold several images"


def test_scans_are_counted() -> None:
    num_scans = PROGRESSIVE.count(b"\xff\xda")
    assert num_scans > 4
    assert is_bounded(PROGRESSIVE, MOST_SCANNED_PIXELS // num_scans, 2**26)
    assert not is_bounded(PROGRESSIVE, MOST_SCANNED_PIXELS // num_scans + 1, 2**26)
    assert is_bounded(JPEG, 2**30, 2**30), "one scan is as much as the header says"
    assert is_bounded(with_scans(MOST_SCANS), 1, 2**20)
    with pytest.raises(ImageError, match="too many scans"):
        is_bounded(with_scans(MOST_SCANS + 1), 1, 2**20)


def test_a_size_stated_twice_is_refused() -> None:
    start = JPEG.index(b"\xff\xc0")
    frame = JPEG[start : start + 19]
    with pytest.raises(ImageError, match="states its size twice"):
        is_bounded(JPEG[:start] + frame + JPEG[start:], 1, 2**20)
    with pytest.raises(ImageError, match="states its size twice"):
        is_bounded(with_chunks(b"IHDR", PNG[16:29]), 1, 2**20)


def test_a_png_that_unpacks_much_or_moves_is_not_bounded() -> None:
    text = b"k\0\0" + zlib.compress(bytes(1000))
    assert is_bounded(with_chunks(b"zTXt", text, 8), 1, 2**20)
    assert not is_bounded(with_chunks(b"zTXt", text, 9), 1, 2**20)
    assert not is_bounded(with_chunks(b"acTL", struct.pack(">II", 1, 0)), 1, 2**20)


@pytest.mark.parametrize(
    ("suffix", "is_expected"),
    [(".bmp", True), (".ppm", True), (".webp", True), (".tiff", False), (".jp2", False)],
)
def test_other_formats(suffix: str, is_expected: bool) -> None:
    flags = [cv2.IMWRITE_WEBP_QUALITY, 80] if suffix == ".webp" else []
    assert is_bounded(encoded(suffix, *flags), 1, 1) is is_expected


def test_lossless_webp_is_not_bounded() -> None:
    assert not is_bounded(encoded(".webp"), 1, 2**20), "its data say how many tables are built"


def test_fewer_scans_are_allowed_of_larger_images() -> None:
    num_scans = PROGRESSIVE.count(b"\xff\xda")
    most = SCANS_OF_LARGEST * IMAGE.size
    assert is_bounded(PROGRESSIVE, most // num_scans, IMAGE.size)
    with pytest.raises(ImageError, match=f"expected at most {num_scans - 1}"):
        is_bounded(PROGRESSIVE, most // num_scans + 1, IMAGE.size)
