"""Pages prepared and batched for comparing forms of a detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.detection.preprocess import Image, normalize_image, resize_image
from runtime.detection.spec import DetectorSpec

_PX_PER_BATCH = 2 * 736 * 1280
"""Bounds the memory of a batch; a page of more pixels goes alone."""


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
    def of(cls, images: Sequence[Image], spec: DetectorSpec, samples_from: str) -> Pages:
        """Prepare images, BGR uint8 [h, w, 3]."""
        prepared = tuple(prepare_page(image, spec) for image in images)
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


def prepare_page(image: Image, spec: DetectorSpec) -> Image:
    """Resize an image, BGR uint8 [h, w, 3], to a network's input, in its order of colours."""
    resized, _ = resize_image(image, spec.sizes)
    if spec.color_order == "BGR":
        return resized
    return cv2.cvtColor(resized, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
