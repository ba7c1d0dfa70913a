"""The ratio from the header is that of the image as it will be read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.errors import ImageError
from runtime.images.read import read_image
from training.data.image_header import ratio_from_header


def jpeg(orientation: int) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.zeros((20, 50, 3), np.uint8)).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_respected(orientation: int, tmp_path: Path) -> None:
    data = jpeg(orientation)
    height, width = read_image(data).shape[:2]
    assert ratio_from_header(data, "one") == pytest.approx(width / height)
    file = tmp_path / "one.jpg"
    file.write_bytes(data)
    assert ratio_from_header(file, str(file)) == pytest.approx(width / height)


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n"])
def test_no_image_is_named(data: bytes) -> None:
    with pytest.raises(ImageError, match="line 7"):
        ratio_from_header(data, "line 7")
