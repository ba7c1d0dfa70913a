"""Pages to compare on where no images are given."""

from __future__ import annotations

import cv2
import numpy as np

from runtime.detection.preprocess import Image

_SIZES_PX = ((480, 640), (640, 480), (512, 512), (480, 720))
_NUM_PAGES = 8
_WORDS = "Invoice Total 1.234,56 Date Street of and the No. 7 EUR Page Order Tax Thank you".split()
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)


def rendered_pages() -> tuple[list[Image], str]:
    """Render pages; return them, BGR uint8 [h, w, 3], and what they are."""
    rng = np.random.default_rng(0)
    sizes = (_SIZES_PX[number % len(_SIZES_PX)] for number in range(_NUM_PAGES))
    return [_page(*size, rng) for size in sizes], "rendered pages"


def _page(height: int, width: int, rng: np.random.Generator) -> Image:
    """Render rows of words, of many sizes, on paper with a slope of brightness and noise."""
    paper = rng.integers(150, 256, 3)
    slope = np.linspace(rng.uniform(0.8, 1), 1, width)[np.newaxis, :, np.newaxis]
    page = np.ascontiguousarray(np.broadcast_to(paper * slope, (height, width, 3)))
    page = page.astype(np.uint8)
    ink = tuple(rng.integers(0, 90, 3).tolist())
    y = 10
    while True:
        font, scale = int(rng.choice(_FONTS)), float(rng.uniform(0.5, 1.6))
        x = int(rng.integers(5, width // 3))
        text = " ".join(rng.choice(_WORDS, rng.integers(1, 5)))
        (_, ascent), descent = cv2.getTextSize(text, font, scale, 1)
        y += ascent
        if y + descent > height:
            break
        thickness = 1 + int(scale > 1)
        cv2.putText(page, text, (x, y), font, scale, ink, thickness, cv2.LINE_AA)
        y += descent + int(rng.integers(8, 40))
    noisy = page + rng.normal(0, 4, page.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)
