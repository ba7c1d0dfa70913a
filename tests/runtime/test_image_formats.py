import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.image_formats import exif_orientation, is_truncated, transparent_grey_level

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


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, RESTARTS, PNG, with_thumbnail(JPEG, JPEG)])
@given(st.data())
def test_every_cut_is_noticed(data: bytes, draw: st.DataObject) -> None:
    length = draw.draw(st.integers(8, len(data) - 1))
    assert is_truncated(data[:length])
    assert not is_truncated(data)


@pytest.mark.parametrize("data", [JPEG, PNG])
def test_bytes_after_the_end_do_no_harm(data: bytes) -> None:
    assert not is_truncated(data + b"\0" * 16)
    assert not is_truncated(data + b"trailer \xff\xda of a camera")


@pytest.mark.parametrize("data", [b"", b"hello", b"BM" + b"\0" * 60])
def test_other_formats_are_left_to_opencv(data: bytes) -> None:
    assert not is_truncated(data)


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
