"""Texts of another page, pasted where there is none.

Source: PaddleOCR `copy_paste`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.sample import Draw, Image, Sample
from training.detection.augment.crop import Window
from training.detection.labels import Polygons, TextPolygons, read_polygons, stacked_polygons

_MOST_PASTED = 30
_PLACES_TRIED = 50
_PAGES_TRIED = 4
_UPRIGHT_RATIO = 1.5
_SMALLEST_SIDE_PX = 1
_ROUNDING_PX = 1e-6
Mask = NDArray[np.uint8]


class CopyPaste:
    """Pastes texts of another image, each turned by a random angle.

    Where the other image's texts have more than four corners another one is taken, four times.

    Args:
        objects_paste_ratio: share of the other image's texts, at least one, at most 30.
        limit_paste: paste only where no other text is.

    Source: PaddleOCR `copy_paste`.
    """

    joins: ClassVar[bool] = True
    """Marks a transform that joins other samples to its own."""

    def __init__(self, objects_paste_ratio: float = 0.2, limit_paste: bool = True) -> None:
        self.objects_paste_ratio = objects_paste_ratio
        self.limit_paste = limit_paste

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Paste into a decoded sample whose label is read."""
        found = _page_of_quads(draw)
        if found is None:
            return sample
        page, texts = found
        labels = TextPolygons.of(sample)
        image = sample.image.copy()
        places = np.flatnonzero(~texts.ignored).tolist()
        count = max(1, min(int(self.objects_paste_ratio * len(texts.polys)), _MOST_PASTED))
        draw.rng.shuffle(places)
        polygons, pasted = [*labels.polys], []
        for place in places[:count]:
            crop = upright_crop(page, texts.polys[place])
            if crop is None:
                continue
            turned, mask, corners = turned_crop(crop, int(draw.rng.integers(0, 360)))
            corner = self._choose_place(image, turned, corners, polygons, draw.rng)
            if corner is None:
                continue
            target = Window(*corner, turned.shape[1], turned.shape[0]).of(image)
            np.copyto(target, turned, where=mask[..., np.newaxis] > 0)
            polygons.append(corners + np.array(corner, dtype=np.float32))
            pasted.append(place)
        if not pasted:
            return sample
        sample.image = image
        polys = stacked_polygons(polygons, np.float64)
        polys = np.clip(polys, 0, [image.shape[1], image.shape[0]])
        return replace(
            labels,
            polys=polys.astype(np.float32),
            texts=(*labels.texts, *(texts.texts[place] for place in pasted)),
            ignored=np.append(labels.ignored, texts.ignored[pasted]),
        ).put(sample)

    def _choose_place(
        self,
        image: Image,
        crop: Image,
        corners: Polygons,
        polygons: list[Polygons],
        rng: np.random.Generator,
    ) -> tuple[int, int] | None:
        """Choose where the upper left of a crop goes, x and y in px; None where it has no room."""
        free_width, free_height = (
            image.shape[1] - crop.shape[1],
            image.shape[0] - crop.shape[0],
        )
        if free_width < 0 or free_height < 0:
            return None
        texts = stacked_polygons(polygons, np.float64)
        low, high = corners.min(axis=0), corners.max(axis=0)
        for _ in range(_PLACES_TRIED):
            x = int(rng.integers(0, free_width + 1))
            y = int(rng.integers(0, free_height + 1))
            around = Window(low[0] + x, low[1] + y, high[0] - low[0], high[1] - low[1])
            if not self.limit_paste or around.misses(texts).all():
                return x, y
        return None


def _page_of_quads(draw: Draw) -> tuple[Image, TextPolygons] | None:
    """Return another image and its texts, which have four corners; None where none is found."""
    for _ in range(_PAGES_TRIED):
        other = draw.other_sample()
        if "polys" in other.values:
            texts = TextPolygons.of(other)
        else:
            texts = read_polygons(other.text, other.name)
        if texts.polys.shape[1] == 4:
            return other.image, texts
    return None


def upright_crop(image: Image, quad: Polygons) -> Image | None:
    """Cut out a quadrangle and straighten it; a high one is turned to lie.

    Args:
        image: uint8 [h, w, C].
        quad: corners (x, y) in px, clockwise from the upper left, [4, 2].

    Returns:
        uint8 [height, width, C]; None where the quadrangle has no inside.

    Source: PaddleOCR `utility.get_rotate_crop_image`.
    """
    corners = quad.astype(np.float32)
    above, right, below, left = np.linalg.norm(
        corners - np.roll(corners, -1, axis=0), axis=1
    ).tolist()
    width, height = int(max(above, below)), int(max(left, right))
    largest = 2 * (image.shape[0] + image.shape[1])
    if not _SMALLEST_SIDE_PX <= min(width, height) <= max(width, height) <= largest:
        return None
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    crop = cv2.warpPerspective(
        image,
        cv2.getPerspectiveTransform(corners, target),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if height / width >= _UPRIGHT_RATIO:
        crop = np.ascontiguousarray(np.rot90(crop))
    return crop.astype(np.uint8, copy=False)


def turned_crop(crop: Image, degrees: int) -> tuple[Image, Mask, NDArray[np.float32]]:
    """Turn a crop counter-clockwise in an image that holds it as a whole.

    Args:
        crop: uint8 [h, w, C].
        degrees: 0 .. 359.

    Returns:
        The image uint8 [H, W, C], 255 where the crop is, uint8 [H, W], and its corners (x, y) in
        px, float32 [4, 2].
    """
    height, width = crop.shape[:2]
    angle = np.deg2rad(degrees)
    sine, cosine = abs(np.sin(angle)), abs(np.cos(angle))
    new_width, new_height = sine * height + cosine * width, cosine * height + sine * width
    matrix = cv2.getRotationMatrix2D((new_width * 0.5, new_height * 0.5), degrees, 1)
    shift = np.array([(new_width - width) * 0.5, (new_height - height) * 0.5, 0])
    matrix[:, 2] += matrix @ shift
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]])
    size = (math.ceil(new_width - _ROUNDING_PX), math.ceil(new_height - _ROUNDING_PX))
    # Corners are edges of pixels, while OpenCV's coordinates are their middles.
    to_middles, to_edges = np.eye(3)[:2], np.eye(3)
    to_middles[:, 2], to_edges[:2, 2] = -0.5, 0.5
    of_middles = to_middles @ np.vstack([matrix, [0, 0, 1]]) @ to_edges
    turned, mask = (
        cv2.warpAffine(picture, of_middles, size, flags=cv2.INTER_NEAREST).astype(
            np.uint8, copy=False
        )
        for picture in (crop, np.full(crop.shape[:2], 255, dtype=np.uint8))
    )
    return turned, mask, (corners @ matrix.T).astype(np.float32)
