"""Whatever the bytes, an image or an `ImageError` comes of them, and nothing larger than asked."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.errors import ImageError
from runtime.images.read import read_image

MAX_PIXELS = 2**20
COLOUR = np.random.default_rng(1).integers(0, 256, (24, 90, 3), dtype=np.uint8)
FORMATS = {
    kind: bytes(cv2.imencode(f".{kind}", COLOUR)[1])
    for kind in ("png", "jpg", "tiff", "webp", "bmp", "gif", "jp2", "ppm", "avif")
    if cv2.haveImageWriter(f"x.{kind}")
}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_any_damage_is_read_or_refused(name: str, data: st.DataObject) -> None:
    damaged = bytearray(FORMATS[name][: data.draw(st.integers(0, len(FORMATS[name])))])
    for _ in range(data.draw(st.integers(0, 6)) if damaged else 0):
        # Most of what matters stands at the beginning.
        at = data.draw(
            st.integers(0, min(len(damaged), 200) - 1) | st.integers(0, len(damaged) - 1)
        )
        damaged[at] = data.draw(st.integers(0, 255))
    read_or_refused(bytes(damaged))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
@example(b"BM")
@example(b"II*\0")
@example(b"RIFF\0\0\0\0WEBPVP8X")
@example(b"P5 1 1")
def test_any_bytes_are_refused(data: bytes) -> None:
    read_or_refused(data)


def read_or_refused(data: bytes) -> None:
    try:
        image = read_image(data, MAX_PIXELS)
    except ImageError:
        return
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS
