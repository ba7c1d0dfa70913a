"""Random files of every format: the size found in the header is the size that OpenCV decodes."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import ImageError
from runtime.images.netpbm import HEADER_BYTES
from runtime.images.read import read_image
from runtime.images.size import declared_size, size_in_header

Image = pytest.importorskip("PIL.Image", reason="pillow writes the formats read here")

SIDES = st.integers(1, 70)
WRITERS: dict[str, tuple[str, dict[str, st.SearchStrategy[object]]]] = {
    "JPEG": ("RGB", {"progressive": st.booleans(), "comment": st.binary(max_size=60)}),
    "PNG": ("RGBA", {"optimize": st.booleans()}),
    "TIFF": ("RGB", {"compression": st.sampled_from(
        [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])}),
    "WEBP": ("RGBA", {"lossless": st.booleans(), "exif": st.sampled_from([b"", b"Exif\0\0II*\0"])}),
    "GIF": ("P", {"comment": st.binary(max_size=60), "interlace": st.booleans()}),
    "BMP": ("RGB", {}),
    "PPM": ("RGB", {}),
    "JPEG2000": ("RGB", {"no_jp2": st.booleans()}),
    "AVIF": ("RGB", {"quality": st.integers(20, 90)}),
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(WRITERS)), SIDES, SIDES, st.data())
def test_what_is_written_is_declared_and_decoded(
    kind: str, width: int, height: int, data: st.DataObject
) -> None:
    mode, choices = WRITERS[kind]
    options = {name: data.draw(choice, name) for name, choice in choices.items()}
    stream = io.BytesIO()
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)
    try:
        Image.fromarray(pixels).convert(mode).save(stream, kind, **options)
    except (KeyError, OSError):
        return  # a format, or a size in it, that this Pillow does not write
    assert declared_size(stream.getvalue()) == (width, height)
    assert read_image(stream.getvalue()).shape == (height, width, 3)


GAP = st.lists(
    st.sampled_from([b" ", b"\t", b"\n", b"\r", b"\v", b"\f", b"#\n", b"# 7 8\r", b"#P5\n"]),
    max_size=6,
).map(b"".join)
SPACE = st.sampled_from([b" ", b"\t", b"\n", b"\r"])


def opencv_size(data: bytes) -> tuple[int, int] | None:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return None if image is None else (image.shape[1], image.shape[0])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(b"123456"), st.lists(st.tuples(SPACE, GAP, st.integers(0, 99)),
                                            min_size=2, max_size=4), SPACE)  # fmt: skip
def test_netpbm_headers(kind: int, numbers: list[tuple[bytes, bytes, int]], end: bytes) -> None:
    header = b"P%c" % kind + b"".join(b"%b%b%d" % number for number in numbers) + end
    data = header + b" 1" * 12_000
    declared, decoded = declared_size(data), opencv_size(data)
    assert decoded is None or declared == decoded


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([
    b"WIDTH 7\n", b"HEIGHT 5\n", b"DEPTH 1\n", b"DEPTH 3\n", b"MAXVAL 255\n", b"ENDHDR\n", b"\n",
    b"# WIDTH 9\n", b"WIDTH 6\r", b" HEIGHT  4 \n", b"TUPLTYPE RGB\n", b"TUPLTYPE GRAYSCALE\n",
    b"WIDTH\n", b"WIDTH \n8\n", b"HEIGHT 5 6\n", b"WIDTH -3\n", b"NONE 1\n",
]), max_size=9))  # fmt: skip
def test_pam_headers(lines: list[bytes]) -> None:
    data = b"P7\n" + b"".join(lines) + b"ENDHDR\n" + bytes(4000)
    declared, decoded = declared_size(data), opencv_size(data)
    assert declared is None or decoded is None or declared == decoded


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([12, 40, 52, 56, 64, 108, 124, 16, 36]),
    st.sampled_from([1, 4, 8, 16, 24, 32]),
    st.sampled_from([0, 1, 2, 3]),
    st.integers(-3, 40),
    st.integers(-40, 40),
)
def test_bmp_headers(header: int, bits: int, packing: int, width: int, height: int) -> None:
    if header == 12:
        size = struct.pack("<HHHH", width % 2**16, height % 2**16, 1, bits)
    else:
        size = struct.pack("<iiHHI", width, height, 1, bits, packing)
    head = b"BM" + struct.pack("<IHHII", 0, 0, 0, 14 + header + 1024, header)
    data = head + size.ljust(header - 4, b"\0") + bytes(20_000)
    declared, decoded = declared_size(data), opencv_size(data)
    assert decoded is None or declared == decoded


@pytest.mark.parametrize("data", [b"P5 " + b" " * HEADER_BYTES + b"3 2 255\n", b"P7\nWIDTH 3\n"])
def test_a_header_without_end_states_no_size(data: bytes) -> None:
    assert declared_size(data) is None


def test_a_doubt_has_its_reason() -> None:
    with pytest.raises(ImageError, match="an impossible size: 0 x 7 px"):
        size_in_header(b"GIF89a" + struct.pack("<HH", 0, 7))
    assert declared_size(b"GIF89a" + struct.pack("<HH", 0, 7)) is None


@settings(max_examples=60, deadline=None)
@given(
    st.permutations([(256, 3, 30), (257, 3, 20), (258, 3, 8), (262, 3, 1), (277, 3, 1),
                     (278, 3, 20), (279, 4, 600)]),
    st.sampled_from("<>"),
    st.sampled_from([1, 3, 4]),
)  # fmt: skip
def test_tiff_fields(fields: list[tuple[int, int, int]], order: str, kind: int) -> None:
    """In any order, of any type that holds them."""
    start = 8 + 2 + 12 * (len(fields) + 1) + 4
    entries = [(273, 4, start), *((tag, kind if tag in (256, 257) else own, value)
                                  for tag, own, value in fields)]  # fmt: skip
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    data += struct.pack(order + "H", len(entries))
    for tag, own, value in entries:
        packed = struct.pack(order + {1: "B", 3: "H", 4: "I"}[own], value).ljust(4, b"\0")
        data += struct.pack(order + "HHI", tag, own, 1) + packed
    data += bytes(4) + bytes(600)
    assert declared_size(data) == (30, 20)
    decoded = opencv_size(data)
    assert decoded in (None, (30, 20))
