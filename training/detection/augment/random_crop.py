"""Crops that may cut text, where enough of it remains.

Source: PaddleOCR `random_crop_data.RandomCrop`, of PP-OCRv6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from training.data.sample import Draw, Image, Sample
from training.detection.augment.crop import Crop, Window
from training.detection.labels import IS_UNLABELLED, Polygons, TextPolygons, stacked_polygons

_SMALLEST_AREA_PX = 80
_SMALLEST_SHARE = 0.35
"""Of the height of a text, that a cut one has at least."""
_LARGEST_PARTS = 3
_HALVINGS = 50
Quad = NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """Where a part of an image goes.

    Args:
        scale: it is resized by this.
        left, top: of the part in the result, in px.
    """

    scale: float
    left: int = 0
    top: int = 0


class RandomCrop(Crop):
    """Crops a random part that holds text, shrinks it if it is too large, and pads it.

    Args:
        size: width and height in px of the result.
        max_tries: how many parts to try; then the whole image is taken.
        min_crop_side_ratio: the smallest part, as a share of the image; the largest is three
            times `size`.
        keep_ratio: put the part at a random place of a black image, rather than stretching it.

    Source: PaddleOCR `random_crop_data`.
    """

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Crop a decoded sample whose label is read."""
        labels = TextPolygons.of(sample)
        height, width = sample.image.shape[:2]
        window, cut = self._choose((height, width), labels, draw.rng)
        if sample.values.get(IS_UNLABELLED):
            window = self._draw_window(height, width, draw.rng)
        sample.image, placement = self._placed(window.of(sample.image), draw.rng)
        places = sorted({*cut, *_ignored_inside(labels, window)})
        origin = np.array([window.x, window.y])
        shift = np.array([placement.left, placement.top])
        polygons = []
        for place in places:
            polygon = cut.get(place, labels.polys[place])
            moved = (polygon - origin) * placement.scale + shift
            if labels.ignored[place]:
                moved = np.clip(moved, 0, [self.width, self.height])
            polygons.append(moved)
        return labels.kept(places).moved(stacked_polygons(polygons, np.float32)).put(sample)

    def _choose(
        self, shape: tuple[int, int], labels: TextPolygons, rng: np.random.Generator
    ) -> tuple[Window, dict[int, Polygons]]:
        """Choose a part; return it, and each text that it holds as it is cut."""
        height, width = shape
        whole = Window(0, 0, width, height)
        wanted = np.flatnonzero(~labels.ignored)
        if not len(wanted):
            return whole, {}
        heights = [_shorter_side(polygon) for polygon in labels.polys[wanted]]
        for _ in range(self.max_tries):
            window = self._draw_window(height, width, rng)
            cut = cut_texts(labels.polys[wanted], heights, window)
            if cut:
                return window, {int(wanted[index]): polygon for index, polygon in cut.items()}
        return whole, {int(place): labels.polys[place] for place in wanted}

    def _draw_window(self, height: int, width: int, rng: np.random.Generator) -> Window:
        crop_width = self._draw_side(width, self.width, rng)
        crop_height = self._draw_side(height, self.height, rng)
        x = 0 if crop_width >= width else int(rng.integers(0, width - crop_width + 1))
        y = 0 if crop_height >= height else int(rng.integers(0, height - crop_height + 1))
        return Window(x, y, crop_width, crop_height)

    def _draw_side(self, side: int, size: int, rng: np.random.Generator) -> int:
        fewest = min(int(side * self.min_crop_side_ratio), size)
        most = size * _LARGEST_PARTS
        return max(min(int(rng.integers(fewest, most + 1)), side), 1)

    def _placed(self, part: Image, rng: np.random.Generator) -> tuple[Image, Placement]:
        """Return the part in an image of the size, and where it is."""
        height, width = part.shape[:2]
        scale = 1.0
        if width > self.width or height > self.height:
            scale = min(self.width / width, self.height / height)
        if not self.keep_ratio:
            return cv2.resize(part, (self.width, self.height)), Placement(scale)  # type: ignore[return-value]
        if scale != 1.0:
            height, width = max(int(height * scale), 1), max(int(width * scale), 1)
            part = cv2.resize(part, (width, height)).astype(np.uint8, copy=False)
        top = int(rng.integers(0, self.height - height + 1)) if self.height > height else 0
        left = int(rng.integers(0, self.width - width + 1)) if self.width > width else 0
        image = np.zeros((self.height, self.width, part.shape[2]), dtype=np.uint8)
        image[top : top + height, left : left + width] = part
        return image, Placement(scale, left, top)


def _ignored_inside(labels: TextPolygons, window: Window) -> list[int]:
    """Return the places of the ignored texts that a part holds something of."""
    if not len(labels.polys):
        return []
    return np.flatnonzero(labels.ignored & ~window.misses(labels.polys)).tolist()


def cut_texts(polys: Polygons, heights: Sequence[float], window: Window) -> dict[int, Polygons]:
    """Cut texts at the borders of a part; leave out those of which too little remains.

    Args:
        polys: the texts, [K, P, 2].
        heights: the shorter side of each in px.
        window: the part.

    Returns:
        The place of each remaining text and its corners, [P, 2] if it is whole, else [3 .. 4, 2].
    """
    found: dict[int, Polygons] = {}
    is_inside, is_outside = window.holds(polys), window.misses(polys)
    for index in np.flatnonzero(~is_outside).tolist():
        if is_inside[index]:
            found[index] = polys[index]
            continue
        quad = cut_to_window(polys[index], window)
        least = heights[index] * _SMALLEST_SHARE
        if (
            quad is not None
            and cv2.contourArea(quad.astype(np.float32)) >= _SMALLEST_AREA_PX
            and _shorter_side(quad) >= least
            and (len(quad) != 4 or _shortest_edge(quad) >= least)
        ):
            found[index] = quad
    return found


def cut_to_window(polygon: Polygons, window: Window) -> Quad | None:
    """Cut a polygon at the borders of a part, and simplify what remains to four corners.

    Args:
        polygon: corners (x, y) in px, [P, 2].
        window: the part.

    Returns:
        float64 [3 .. 4, 2]; None where nothing remains, a triangle, or an unclear shape.
    """
    box = shapely.box(window.x, window.y, window.x + window.width, window.y + window.height)
    try:
        shared = shapely.intersection(shapely.Polygon(polygon), box)
    except (ValueError, shapely.errors.GEOSException):  # a polygon that crosses itself
        return None
    parts = [part for part in shapely.get_parts(shared) if part.geom_type == "Polygon"]
    if not parts:
        return None
    corners = np.array(max(parts, key=lambda part: part.area).exterior.coords[:-1])
    if len(corners) <= 3:
        return None
    return corners if len(corners) == 4 else _four_corners(corners)


def _four_corners(corners: Quad) -> Quad | None:
    """Leave out corners until four remain, by Douglas and Peucker's algorithm."""
    outline = corners.astype(np.float32).reshape(-1, 1, 2)
    length = cv2.arcLength(outline, True)
    if length < 1e-6:
        return None
    lower, upper, best = 0.0, 0.5, None
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        simpler = cv2.approxPolyDP(outline, middle * length, True)
        if len(simpler) <= 4:
            best, upper = simpler, middle
        else:
            lower = middle
    if best is None or len(best) < 3:
        return None
    return best.reshape(-1, 2).astype(np.float64)


def _shorter_side(polygon: Polygons) -> float:
    """Return the shorter side of the smallest rotated rectangle around a polygon, in px."""
    return float(min(cv2.minAreaRect(polygon.astype(np.float32))[1]))


def _shortest_edge(quad: Quad) -> float:
    return float(np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1).min())
