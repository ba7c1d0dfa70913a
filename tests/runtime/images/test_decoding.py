"""Pages and frames are decoded one by one, each as if it were a file of its own."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images.decoding import decode_image
from runtime.images.read import read_image
from runtime.images.sources import Page

Image = pytest.importorskip("PIL.Image", reason="pillow writes the formats read here")


def saved(image: object, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[attr-defined]
    return stream.getvalue()


def shades(*levels: int) -> list[object]:
    return [Image.fromarray(np.full((8, 12 + n, 3), n, np.uint8)) for n in levels]


def test_pages_of_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    first, *more = shades(10, 20, 30)
    path.write_bytes(saved(first, "TIFF", save_all=True, append_images=more))
    pages = [read_image(Page(str(path), number)) for number in range(3)]
    assert [(page.shape, page[0, 0, 0]) for page in pages] == [
        ((8, 22, 3), 10),
        ((8, 32, 3), 20),
        ((8, 42, 3), 30),
    ]
    with pytest.raises(ImageError, match="#page=4: not an image"):
        read_image(Page(str(path), 3))
    with pytest.raises(ImageError, match="#page=3: too large: 42 x 8"):
        read_image(Page(str(path), 2), max_pixels=40 * 8)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_frames_of_an_animation(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "frames"
    first, *more = [Image.new("RGB", (30, 20), (level,) * 3) for level in (0, 85, 170)]
    path.write_bytes(saved(first, kind, save_all=True, append_images=more))
    levels = [int(read_image(Page(str(path), number))[0, 0, 0]) for number in range(3)]
    assert levels == pytest.approx([0, 85, 170], abs=2)


def test_a_late_frame_needs_a_newer_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "frames.webp"
    first, *more = [Image.new("RGB", (30, 20), (level,) * 3) for level in (0, 85)]
    path.write_bytes(saved(first, "WEBP", save_all=True, append_images=more))
    monkeypatch.delattr(cv2, "imdecodeanimation", raising=False)
    assert decode_image(path.read_bytes(), (30, 20), 0).shape == (20, 30, 3)
    with pytest.raises(ImageError, match="decodes only the first frame"):
        decode_image(path.read_bytes(), (30, 20), 1)
