"""Pages prepared and batched for comparing forms of a detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.detection.preprocess import Image, Sizes, normalize_image, resize_image
from runtime.detection.spec import DetectorSpec
from runtime.errors import OcrError

_PX_PER_BATCH = 2 * 736 * 1280
"""Bounds the memory of a batch; a page of more pixels goes alone."""
_SIZES_PX = ((480, 640), (640, 480), (512, 512), (480, 720))
_NUM_PAGES, _LONG_SIDE_PX = 6, 640
_WORDS = (
    *("Invoice", "Total", "1.234,56", "Date", "Street", "of", "and", "the", "No. 7", "EUR"),
    *("Page", "Order", "Tax", "Thank you"),
)
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)


@dataclass(frozen=True)
class PageBatch:
    """Pages of one size.

    Args:
        positions: numbers of the pages among all.
        pages: uint8 [H, W, C] each.
        spec: of the network.
    """

    positions: tuple[int, ...]
    pages: tuple[Image, ...]
    spec: DetectorSpec

    @cached_property
    def inputs(self) -> NDArray[np.float32]:
        """The pages normalised, [N, C, H, W]."""
        spec = self.spec
        normal = [normalize_image(page, spec.scale, spec.mean, spec.std) for page in self.pages]
        return np.ascontiguousarray(np.stack(normal).transpose(0, 3, 1, 2))


@dataclass(frozen=True)
class Pages:
    """Images made ready once, and batched by their size.

    Args:
        spec: of the network.
        images: BGR uint8 [h, w, 3].
        prepared: uint8 [H, W, C] each.
        samples_from: what they are.
    """

    spec: DetectorSpec
    images: tuple[Image, ...]
    prepared: tuple[Image, ...]
    samples_from: str

    @classmethod
    def of(
        cls, images: Sequence[Image], spec: DetectorSpec, sizes: Sizes, samples_from: str
    ) -> Pages:
        """Prepare images, BGR uint8 [h, w, 3], whose input sizes `sizes` tells."""
        prepared = tuple(_prepare(image, spec, sizes) for image in images)
        return cls(spec, tuple(images), prepared, samples_from)

    def __len__(self) -> int:
        return len(self.prepared)

    @property
    def sizes_px(self) -> list[tuple[int, int]]:
        """H and W of each page."""
        return [(page.shape[0], page.shape[1]) for page in self.prepared]

    def subset(self, numbers: Sequence[int]) -> Pages:
        """Take only the pages of these numbers, in their order."""
        images, prepared = (
            tuple(pages[number] for number in numbers) for pages in (self.images, self.prepared)
        )
        return Pages(self.spec, images, prepared, self.samples_from)

    def batches(self, most: int | None = None) -> Iterator[PageBatch]:
        """Batch pages of equal size; see `Samples.batches`."""
        places: dict[tuple[int, int], list[int]] = {}
        for position, size in enumerate(self.sizes_px):
            places.setdefault(size, []).append(position)
        for (height, width), positions in places.items():
            count = most or max(1, _PX_PER_BATCH // (height * width))
            for start in range(0, len(positions), count):
                part = tuple(positions[start : start + count])
                pages = tuple(self.prepared[position] for position in part)
                yield PageBatch(part, pages, self.spec)


def _prepare(image: Image, spec: DetectorSpec, sizes: Sizes) -> Image:
    """Resize an image, BGR uint8 [h, w, 3], to a network's input, in its order of colours."""
    resized, _ = resize_image(image, sizes)
    if spec.color_order == "BGR":
        return resized
    return cv2.cvtColor(resized, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def rendered_pages() -> tuple[list[Image], str]:
    """Render pages; return them, BGR uint8 [h, w, 3], and what they are.

    Where what renders documents is not installed, or there is no font, they are rows of words.
    """
    try:
        return list(_documents()), "rendered pages"
    except (ImportError, OcrError):
        rng = np.random.default_rng(0)
        sizes = (_SIZES_PX[number % len(_SIZES_PX)] for number in range(_NUM_PAGES))
        return [rows_of_words(*size, rng) for size in sizes], "rows of words"


@cache
def _documents() -> tuple[Image, ...]:
    """Render documents, once a process: finding fonts takes seconds."""
    from training.data.synthetic.pages.dataset import SyntheticPages

    pages = SyntheticPages(_NUM_PAGES, seed=0, long_side=_LONG_SIDE_PX, difficulty=0.3)
    return tuple(pages.page(index).image for index in range(len(pages)))


def rows_of_words(height: int, width: int, rng: np.random.Generator) -> Image:
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
