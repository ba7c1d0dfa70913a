"""The size in the header is that of the image, and is found whatever else is in the file."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import ImageError
from runtime.images.read import read_image
from runtime.images.size import declared_size
from runtime.images.tiff import tile_size

Image = pytest.importorskip("PIL.Image", reason="pillow writes the formats read here")

WIDTH, HEIGHT = 70, 45
COLOUR = Image.fromarray(
    np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
)


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    COLOUR.convert(mode).save(stream, kind, **options)
    return stream.getvalue()


FILES = {
    "png": saved("PNG"),
    "jpeg": saved("JPEG"),
    "jpeg progressive": saved("JPEG", progressive=True),
    "jpeg with a comment": saved("JPEG", comment=b"\xff\xc0 no frame " * 9),
    "gif": saved("GIF"),
    "bmp": saved("BMP"),
    "bmp one bit": saved("BMP", "1"),
    "tiff": saved("TIFF"),
    "tiff compressed": saved("TIFF", compression="tiff_lzw"),
    "webp": saved("WEBP"),
    "webp lossless": saved("WEBP", lossless=True),
    "webp extended": saved("WEBP", exif=b"Exif\0\0II*\0"),
    "jp2": saved("JPEG2000"),
    "jp2 bare": saved("JPEG2000", no_jp2=True),
    "ppm": saved("PPM"),
    "pgm": saved("PPM", "L"),
    "pbm": saved("PPM", "1"),
    "pgm with comments": b"P5\n# 1 2 3\n70 #x\n 45\n255\n" + bytes(WIDTH * HEIGHT),
    "pam": b"P7\nWIDTH 70\nHEIGHT 45\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n",
    "sun": b"\x59\xa6\x6a\x95" + struct.pack(">7I", 70, 45, 8, 3150, 1, 0, 0),
    "bmp of old": b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 70, 45, 1, 24),
    "bmp from the top": b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 70, -45, 1, 24),
    "tiff big": b"MM\0+\0\x08\0\0" + struct.pack(">Q", 16)
    + struct.pack(">QHHQHHIHHQHHIQ", 2, 256, 3, 1, 70, 0, 0, 257, 3, 1, 45, 0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_size_of_every_format(kind: str) -> None:
    assert declared_size(FILES[kind]) == (WIDTH, HEIGHT)


def test_avif_size() -> None:
    try:
        data = saved("AVIF")
    except (KeyError, OSError):
        pytest.skip("this Pillow writes no AVIF")
    assert declared_size(data) == (WIDTH, HEIGHT)


def tiff(*pages: dict[int, int]) -> bytes:
    data = b"II*\0" + struct.pack("<I", 8)
    for number, fields in enumerate(pages, 1):
        data += struct.pack("<H", len(fields))
        for tag, value in fields.items():
            data += struct.pack("<HHII", tag, 4, 1, value)
        data += struct.pack("<I", len(data) + 4 if number < len(pages) else 0)
    return data


def test_pages_have_sizes_of_their_own() -> None:
    data = tiff({256: 10, 257: 20}, {256: 30, 257: 40})
    assert [declared_size(data, page) for page in range(3)] == [(10, 20), (30, 40), None]


def test_tiles_larger_than_the_image_count() -> None:
    data = tiff({256: 10, 257: 20, 322: 4096, 323: 64})
    assert declared_size(data) == (10, 20)
    assert tile_size(data, 0) == (4096, 64)
    with pytest.raises(ImageError, match="too large: 4096 x 64 px"):
        read_image(data, max_pixels=4096 * 64 - 1)


def test_directories_in_a_circle_end() -> None:
    data = bytearray(tiff({256: 10, 257: 20}))
    data[-4:] = struct.pack("<I", 8)
    assert declared_size(bytes(data), page=1) is None


@pytest.mark.parametrize("data", [b"", b"text", b"P5 " + b" " * 5000, b"P5 9" + b"9" * 5000])
def test_what_states_no_size(data: bytes) -> None:
    assert declared_size(data) is None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_no_damage_surprises(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[kind][: data.draw(st.integers(0, 400))])
    for _ in range(data.draw(st.integers(0, 4)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    size = declared_size(bytes(damaged))
    assert size is None or len(size) == 2
