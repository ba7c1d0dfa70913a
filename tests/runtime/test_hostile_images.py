"""Files made to be larger than they say are refused, whichever way they say it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images.read import read_image

Image = pytest.importorskip("PIL.Image", reason="pillow writes the formats read here")

MAX_PIXELS = 2**20
SIDE = 2000
"""Of images larger than `MAX_PIXELS`, on which the first guess of a reader may go wrong."""

LARGE = Image.fromarray(np.zeros((SIDE, SIDE), np.uint8))
SMALL = Image.fromarray(np.zeros((20, 30), np.uint8))


def saved(image: object, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[attr-defined]
    return stream.getvalue()


def tiff(*fields: tuple[int, int, int, int], order: str = "<", is_big: bool = False) -> bytes:
    """A deflated grey TIFF of `SIDE` x `SIDE` px; fields replace those of their tags and add."""
    packed = zlib.compress(bytes(SIDE * SIDE), 1)
    own = {
        256: (256, 4, 1, SIDE), 257: (257, 4, 1, SIDE), 258: (258, 3, 1, 8), 259: (259, 3, 1, 8),
        262: (262, 3, 1, 1), 273: (273, 4, 1, 0), 277: (277, 3, 1, 1), 278: (278, 4, 1, SIDE),
        279: (279, 4, 1, len(packed)),
    }  # fmt: skip
    given = {tag for tag, *_ in fields}
    entries = sorted([*fields, *(entry for tag, entry in own.items() if tag not in given)])
    pointer, count_format, first = ("Q", "Q", 16) if is_big else ("I", "H", 8)
    value_bytes = struct.calcsize(pointer)
    size = struct.calcsize(f"{order}HH{pointer}{value_bytes}s")
    start = first + struct.calcsize(count_format) + size * len(entries) + value_bytes
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if is_big else 42)
    head += struct.pack(f"{order}HHQ", 8, 0, first) if is_big else struct.pack(f"{order}I", first)
    body = struct.pack(order + count_format, len(entries))
    for tag, kind, count, value in entries:
        number = start if tag == 273 else value
        letter = {1: "B", 3: "H", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}.get(kind, "I")
        packed_value = struct.pack(order + letter, number).ljust(value_bytes, b"\0")
        body += struct.pack(f"{order}HH{pointer}", tag, kind, count) + packed_value[:value_bytes]
    return head + body + bytes(value_bytes) + packed


def jp2(*, ihdr: tuple[int, int] | None = None, before: bytes = b"") -> bytes:
    """A JP2 of `SIDE` x `SIDE` px whose header box says something else."""
    data = saved(LARGE, "JPEG2000")
    if ihdr is not None:
        start = data.index(b"ihdr") + 4
        data = data[:start] + struct.pack(">II", *ihdr) + data[start + 8 :]
    start = data.index(b"jp2h") - 4
    return data[:start] + before + data[start:]


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def decoy() -> bytes:
    """A box that holds what looks like the beginning of a small codestream."""
    return box(b"uuid", b"\xff\x4f\xff\x51" + struct.pack(">HH4I", 41, 0, 30, 20, 0, 0) + bytes(64))


def avif(image: object = LARGE) -> bytes:
    try:
        return saved(image, "AVIF")
    except (KeyError, OSError):
        pytest.skip("this Pillow writes no AVIF")


def gif_in_a_small_screen() -> bytes:
    data = bytearray(saved(LARGE, "GIF"))
    data[6:10] = struct.pack("<HH", 30, 20)
    return bytes(data)


def webp_with_another_canvas() -> bytes:
    plain = saved(LARGE.convert("RGB"), "WEBP", quality=50)
    canvas = struct.pack("<IHBHB", 0, 29, 0, 19, 0)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + plain[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHH", 0, 0, 0, 54, 40, width, height, 1, 24) + bytes(24)


def jpeg_with(marker: int, body: bytes) -> bytes:
    """A large JPEG with a segment of another before its own header."""
    data = saved(LARGE, "JPEG")
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


def jpeg_of_no_height() -> bytes:
    """As with a DNL marker, which says the height afterwards."""
    data = bytearray(saved(SMALL, "JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 2] = b"\0\0"
    return bytes(data)


SMALL_FRAME = struct.pack(">BHHB3B", 8, 20, 30, 1, 1, 0x11, 0)

WALKED_AROUND = {
    **{f"tiff width of type {kind}": tiff((256, kind, 1, SIDE)) for kind in (0, 2, 8, 9, 11, 13)},
    "tiff size of signed long": tiff((256, 9, 1, SIDE), (257, 9, 1, SIDE)),
    "tiff width twice, the small first": tiff((256, 3, 1, 30), (256, 4, 1, SIDE)),
    "tiff width twice, the large first": tiff((256, 3, 1, SIDE), (256, 4, 1, SIDE + 1)),
    "tiff width as a list": tiff((256, 4, 2, SIDE)),
    "tiff width as no value": tiff((256, 4, 0, SIDE)),
    "tiff long8 outside of bigtiff": tiff((256, 16, 1, SIDE)),
    "tiff width of 0": tiff((256, 4, 1, 0)),
    "bigtiff signed long8": tiff((256, 17, 1, SIDE), is_big=True),
    "bigtiff ifd8": tiff((256, 18, 1, SIDE), is_big=True),
    "bigtiff long8": tiff((256, 16, 1, SIDE), is_big=True),
    "tiff motorola": tiff((256, 9, 1, SIDE), order=">"),
    "tiff tiles": tiff((256, 4, 1, 16), (257, 4, 1, 16), (322, 4, 1, SIDE), (323, 4, 1, SIDE)),
    "tiff tile width twice": tiff((322, 4, 1, 16), (322, 4, 1, SIDE), (323, 4, 1, 16)),
    "jp2 whose header box lies": jp2(ihdr=(20, 30)),
    "jp2 decoy before the header": jp2(before=decoy()),
    "jp2 decoy and lie": jp2(ihdr=(20, 30), before=decoy()),
    "jp2 decoy codestream header": jp2(before=box(b"jpch", decoy())),
    "gif larger than its screen": gif_in_a_small_screen(),
    "webp canvas": webp_with_another_canvas(),
    "bmp negative width": bmp(-30, 20),
    "bmp lowest height": bmp(SIDE, -(2**31)),
    "bmp no height": bmp(30, 0),
    "jpeg second frame": jpeg_with(0xC0, SMALL_FRAME),
    "jpeg frame in a thumbnail": jpeg_with(0xE1, b"Exif\0\0\xff\xd8\xff\xc0\0\x0b" + SMALL_FRAME),
    "jpeg without height": jpeg_of_no_height(),
    "pnm comment": b"P5\n#30 20\n%d #x\n%d\n255\n" % (SIDE, SIDE) + bytes(SIDE * SIDE),
    "pnm comment behind a number": b"P5 30#\n20 255\n" + bytes(600),
    "pnm number of eleven digits": b"P5 00000000030 20 255\n" + bytes(600),
    "pam width twice": b"P7\nWIDTH 30\nHEIGHT 20\nWIDTH 2000\nDEPTH 1\nMAXVAL 255\nENDHDR\n",
    "pam many channels": b"P7\nWIDTH 30\nHEIGHT 20\nDEPTH 500\nMAXVAL 255\nENDHDR\n",
    "pam decoy in a comment": b"P7\n#\nWIDTH 2000\nHEIGHT 2000\nDEPTH 1\nMAXVAL 255\n"
    b"#WIDTH 30\nENDHDR\n" + bytes(4_000_000),
}  # fmt: skip


@pytest.mark.parametrize("name", WALKED_AROUND)
def test_no_size_walks_around_the_limit(name: str) -> None:
    with pytest.raises(ImageError):
        read_image(WALKED_AROUND[name], MAX_PIXELS)


def test_the_builders_build_what_can_be_read() -> None:
    """Otherwise the files above were refused for another reason."""
    for data in (tiff(), tiff(is_big=True), tiff(order=">"), jp2(), jp2(before=decoy())):
        assert read_image(data).shape == (SIDE, SIDE, 3)
    assert read_image(tiff((256, 3, 1, SIDE))).shape == (SIDE, SIDE, 3)


def test_an_avif_that_states_another_size() -> None:
    data = avif()
    start = data.index(b"ispe") + 8
    for size in ((0, 20), (SIDE, SIDE), (2**31, 2**31)):
        lying = data[:start] + struct.pack(">II", *size) + data[start + 8 :]
        with pytest.raises(ImageError):
            read_image(lying, MAX_PIXELS)
    # libavif scales what it decodes to the size stated, within the decoder's bounds of memory.
    lying = data[:start] + struct.pack(">II", 30, 20) + data[start + 8 :]
    try:
        assert read_image(lying, MAX_PIXELS).shape == (20, 30, 3)
    except ImageError as error:
        assert "30 x 20" in str(error) or "decode" in str(error)
    assert read_image(data).shape == (SIDE, SIDE, 3)


def test_an_avif_of_two_sizes() -> None:
    """The one that is not associated with the image counts for nothing."""
    data = avif()
    small = box(b"ispe", struct.pack(">III", 0, 30, 20))
    start = data.index(b"ipco") - 4
    (length,) = struct.unpack_from(">I", data, start)
    with_small = bytearray(data[: start + length] + small + data[start + length :])
    for kind in (b"ipco", b"iprp", b"meta"):
        place = data.index(kind) - 4
        (length,) = struct.unpack_from(">I", data, place)
        with_small[place : place + 4] = struct.pack(">I", length + len(small))
    with pytest.raises(ImageError, match=f"too large: {SIDE} x {SIDE}"):
        read_image(bytes(with_small), MAX_PIXELS)
    associated = bytearray(data)
    place = data.index(b"ipma") + 4
    count = place + 4 + 4 + 2
    associated[count + 1 : count + 3] = b"\x01\x01"
    with pytest.raises(ImageError, match=r"[02] sizes"):
        read_image(bytes(associated), MAX_PIXELS)
