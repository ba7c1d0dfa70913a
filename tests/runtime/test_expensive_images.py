"""Files made to be expensive are refused at little cost.

Each stands for a kind that took minutes or gigabytes. Nothing here measures time: what is not
bounded would not come back at all.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images import decoders
from runtime.images.read import read_image
from runtime.images.sources import Page, Refused, sources_from

Image = pytest.importorskip("PIL.Image", reason="pillow writes the formats read here")

MAX_PIXELS = 2**20
SMALL = Image.fromarray(np.zeros((20, 30), np.uint8))


def saved(image: object, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[attr-defined]
    return stream.getvalue()


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def described(boxes: bytes) -> bytes:
    """An AVIF with these boxes in its description."""
    return box(b"ftyp", b"avif") + box(b"meta", bytes(4) + boxes)


EXPENSIVE = {
    "jpeg of fill bytes": b"\xff\xd8" + b"\xff" * 2**21,
    "jpeg of markers": b"\xff\xd8\xff" + b"\xff\x01" * 2**20,
    "jpeg of empty segments": b"\xff\xd8" + b"\xff\xe0\0\0" * 2**19,
    "pnm of newlines": b"P6" + b"\n" * 2**20 + b"x",
    "pnm of comments": b"P5" + b"#\n" * 2**20,
    "pnm of one comment": b"P5 #" + b" " * 2**20,
    "pnm of digits": b"P5 " + b"9" * 2**20,
    "pam of widths": b"P7\n" + b"WIDTH 3\n" * 2**17,
    "pam of newlines": b"P7\n" + b"\n" * 2**20,
    "pam of comments": b"P7\n" + b"#WIDTH\n" * 2**17,
    "png of chunks": b"\x89PNG\r\n\x1a\n" + (b"\0\0\0\0teXt\0\0\0\0") * 2**19,
    "webp of chunks": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(10) + b"ABCD\0\0\0\0" * 2**19,
    "avif of boxes": box(b"ftyp", b"avif\0\0\0\0avif") + box(b"free", b"") * 2**18,
    "avif of inner boxes": described(box(b"free", b"") * 9000),
    "avif of a long table": described(box(b"iprp", box(
        b"ipma", bytes(4) + b"\xff\xff\xff\xff" + b"\0\2\0" * 2**17))),
    "jp2 of boxes": b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"free", b"") * 2**18,
    "jp2 that begins again": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\xff\x4f\xff" * 2**18,
    "gif of empty blocks": saved(SMALL, "GIF")[:-1] + b"!\xfe\0" * 2**21,
}  # fmt: skip


@pytest.mark.parametrize("name", EXPENSIVE)
def test_no_bytes_are_walked_for_long(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(EXPENSIVE[name])
    for source in sources_from([str(path)]):
        with pytest.raises(ImageError):
            read_image(source, MAX_PIXELS)


def overlapping(num_directories: int, num_entries: int) -> bytes:
    """A TIFF whose directories lie over one another, each four bytes behind the one before."""
    span = 2 + 12 * num_entries
    data = bytearray(8 + 4 * num_directories + span + 4)
    data[:8] = b"II*\0" + struct.pack("<I", 8)
    for number in range(num_directories):
        offset = 8 + 4 * number
        following = offset + 4 if number + 1 < num_directories else 0
        struct.pack_into("<H", data, offset, num_entries)
        struct.pack_into("<I", data, offset + span, following)
    return bytes(data)


@pytest.mark.parametrize(("directories", "entries"), [(1000, 65_535), (500, 1000), (2, 60_000)])
def test_directories_over_one_another(directories: int, entries: int, tmp_path: Path) -> None:
    path = tmp_path / "hostile.tif"
    path.write_bytes(overlapping(directories, entries))
    (source,) = sources_from([str(path)])
    assert isinstance(source, Refused) and "too many entries" in source.reason
    with pytest.raises(ImageError, match="too many entries"):
        read_image(Page(str(path), directories - 1))


def progressive(side: int, num_scans: int) -> bytes:
    """A grey JPEG of one DC scan and scans whose few bytes say that all blocks end."""

    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    num_blocks = (side // 8) ** 2
    one_code = bytes([1] + [0] * 15)
    head = segment(0xDB, b"\0" + bytes([1] * 64))
    head += segment(0xC2, struct.pack(">BHHB3B", 8, side, side, 1, 1, 0x11, 0))
    head += segment(0xC4, b"\0" + one_code + b"\0") + segment(0xC4, b"\x10" + one_code + b"\0")
    scan = segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + bytes(num_blocks // 8)
    first = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(num_blocks // 8)
    return b"\xff\xd8" + head + first + scan * num_scans + b"\xff\xd9"


def test_scans_without_end() -> None:
    assert read_image(progressive(512, 3)).shape == (512, 512, 3)
    assert read_image(progressive(512, 90)).shape == (512, 512, 3)
    with pytest.raises(ImageError, match="too many scans"):
        read_image(progressive(512, 1000))


def test_late_frames_of_a_long_animation(tmp_path: Path) -> None:
    path = tmp_path / "long.gif"
    frames = [Image.new("RGB", (30, 20), (40 * number, 9, 200)) for number in range(6)]
    path.write_bytes(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    pages = list(sources_from([str(path)]))
    assert len(pages) == 6
    for number, page in enumerate(pages):
        if number < 4:
            assert read_image(page, 4 * 600).shape == (20, 30, 3)
        else:
            with pytest.raises(ImageError, match=f"{number + 1} frames of 30 x 20 px"):
                read_image(page, 4 * 600)


def test_texts_that_unpack_to_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 8 KB that unpack to 8 MB each, and that libpng would keep."""
    monkeypatch.setattr(decoders, "SECONDS_PER_IMAGE", 0.5)
    png = bytes(cv2.imencode(".png", np.zeros((20, 30), np.uint8))[1])
    text = b"k\0\0" + zlib.compress(bytes(7_900_000))
    chunk = struct.pack(">I4s", len(text), b"zTXt") + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    try:
        assert read_image(png[:33] + chunk * 600 + png[33:]).shape == (20, 30, 3)
    except ImageError as error:
        assert "memory" in str(error) or "crashed" in str(error) or "given up" in str(error)
