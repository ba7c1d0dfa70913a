"""How many px an inch of an image has is read where its file says it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from runtime.images.resolution import px_per_inch_of


def encoded(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (9, 9)).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_it_is_read_from_a_file_and_from_bytes(kind: str, tmp_path: Path) -> None:
    data = encoded(kind, dpi=(240, 240))
    (tmp_path / "a").write_bytes(data)
    assert px_per_inch_of(data) == pytest.approx(240, abs=0.1)
    assert px_per_inch_of(tmp_path / "a") == pytest.approx(240, abs=0.1)


@pytest.mark.parametrize("dpi", [1, 72, 5000])
def test_what_nobody_measured_is_unknown(dpi: int) -> None:
    for kind in ("JPEG", "PNG", "TIFF"):
        assert px_per_inch_of(encoded(kind, dpi=(dpi, dpi))) is None


def test_exif_counts_where_jfif_says_nothing() -> None:
    exif = Image.Exif()
    exif[282], exif[296] = 118.11, 3
    assert px_per_inch_of(encoded("JPEG", exif=exif)) == pytest.approx(300, abs=0.1)


def test_files_that_say_nothing_or_are_damaged_give_none(tmp_path: Path) -> None:
    assert px_per_inch_of(encoded("PNG")) is None
    assert px_per_inch_of(tmp_path / "absent") is None
    assert px_per_inch_of(b"") is None
    for kind in ("JPEG", "PNG", "TIFF"):
        data = encoded(kind, dpi=(240, 240))
        for length in range(0, len(data), 3):
            px_per_inch_of(data[:length])
