"""Pages are counted as a decoder would find them."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.images.pages import HEAD_BYTES, may_have_pages, page_numbers

Image = pytest.importorskip("PIL.Image", reason="pillow writes the formats read here")


def pages(kind: str, count: int, **options: object) -> bytes:
    first, *more = [Image.new("RGB", (30, 20), (40 * page, 9, 200)) for page in range(count)]
    stream = io.BytesIO()
    first.save(stream, kind, save_all=bool(more), append_images=more, **options)
    return stream.getvalue()


FILES = {
    kind: pages(kind, 5) for kind in ("TIFF", "GIF", "WEBP", "PNG")
} | {"GIF with a comment": pages("GIF", 5, comment=b"x" * 700)}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_every_page_is_found(kind: str) -> None:
    assert may_have_pages(FILES[kind][:HEAD_BYTES])
    assert list(page_numbers(FILES[kind])) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG", "JPEG", "BMP"])
def test_a_file_of_one_image_has_no_pages(kind: str) -> None:
    data = pages(kind, 1)
    assert not may_have_pages(data) or list(page_numbers(data)) == []


def test_thumbnails_of_a_tiff_are_no_pages() -> None:
    def directory(at: int, subfile_type: int, is_last: bool) -> bytes:
        entry = struct.pack("<HHHII", 1, 254, 4, 1, subfile_type)
        return entry + struct.pack("<I", 0 if is_last else at + len(entry) + 4)

    data = b"II*\0" + struct.pack("<I", 8)
    for number, subfile_type in enumerate((0, 1, 2, 0)):
        data += directory(len(data), subfile_type, is_last=number == 3)
    assert list(page_numbers(data)) == [0, 2, 3]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_no_damage_surprises(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[kind][: data.draw(st.integers(8, len(FILES[kind])))])
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(8, max(8, len(damaged) - 1))) - 1] = data.draw(
            st.integers(0, 255)
        )
    assert len(page_numbers(bytes(damaged))) <= len(damaged)
