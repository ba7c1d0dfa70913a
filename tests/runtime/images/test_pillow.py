"""Images of Pillow are read as the files that they were opened from."""

from __future__ import annotations

import io

import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images.read import read_image

Image = pytest.importorskip("PIL.Image", reason="pillow makes the images read here")

PIXELS = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
COLOUR = Image.fromarray(PIXELS)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV"])
def test_every_mode_of_eight_bits(mode: str) -> None:
    image = COLOUR.convert(mode)
    expected = np.asarray(image.convert("RGB"))[:, :, ::-1]
    assert np.array_equal(read_image(image), expected)


def test_transparency_shows_white_paper() -> None:
    image = COLOUR.convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    assert (read_image(image) == 255).all()
    palette = COLOUR.quantize(2)
    palette.info["transparency"] = 0
    assert (read_image(palette)[np.asarray(palette) == 0] == 255).all()


def test_deep_grey_is_scaled() -> None:
    image = Image.fromarray(np.array([[0, 257, 65_535]], dtype=np.uint16))
    assert read_image(image)[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_of_no_stated_range_are_refused_with_the_remedy(mode: str) -> None:
    with pytest.raises(ImageError, match=r'image\.convert\("L"\)'):
        read_image(COLOUR.convert("L").convert(mode))


def test_orientation_of_the_file_it_was_opened_from() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    COLOUR.save(stream, "PNG", exif=exif)
    assert np.array_equal(read_image(Image.open(stream)), read_image(stream.getvalue()))


def test_a_large_or_broken_one_is_refused() -> None:
    with pytest.raises(ImageError, match="30 x 20 px are 600 pixels"):
        read_image(COLOUR, max_pixels=599)
    stream = io.BytesIO()
    COLOUR.save(stream, "PNG")
    cut = Image.open(io.BytesIO(stream.getvalue()[:-600]))
    with pytest.raises(ImageError, match="cannot be read: "):
        read_image(cut)
