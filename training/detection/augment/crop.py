"""Crops that keep text whole.

Source: Zhou et al. 2017 (arXiv:1704.03155) for the idea; PaddleOCR
`random_crop_data.EastRandomCropData`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.sample import Draw, Image, Sample
from training.detection.labels import IS_UNLABELLED, Polygons, TextPolygons

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Window:
    """A part of an image.

    Args:
        x, y: of its upper left corner in px.
        width, height: in px.
    """

    x: int
    y: int
    width: int
    height: int

    def of(self, image: Image) -> Image:
        """Return the part of an image, uint8 [height, width, C]."""
        return image[self.y : self.y + self.height, self.x : self.x + self.width]

    def misses(self, polys: Polygons) -> NDArray[np.bool_]:
        """Tell of each polygon, [K, P, 2], whether it lies outside as a whole."""
        lowest, highest = polys.min(axis=1), polys.max(axis=1)
        return (
            (highest[:, 0] < self.x)
            | (lowest[:, 0] > self.x + self.width)
            | (highest[:, 1] < self.y)
            | (lowest[:, 1] > self.y + self.height)
        )

    def holds(self, polys: Polygons) -> NDArray[np.bool_]:
        """Tell of each polygon, [K, P, 2], whether it lies inside as a whole."""
        lowest, highest = polys.min(axis=1), polys.max(axis=1)
        return (
            (lowest[:, 0] >= self.x)
            & (highest[:, 0] <= self.x + self.width)
            & (lowest[:, 1] >= self.y)
            & (highest[:, 1] <= self.y + self.height)
        )


class Crop(ABC):
    """Crops a part of an image to a size.

    Args:
        size: width and height in px of the result.
        max_tries: how many parts to try; then the whole image is taken.
        min_crop_side_ratio: the smallest part, as a share of the image.
        keep_ratio: leave the rest of the result black, rather than stretching the part.
    """

    def __init__(
        self,
        size: Sequence[int] = (640, 640),
        max_tries: int = 10,
        min_crop_side_ratio: float = 0.1,
        keep_ratio: bool = True,
    ) -> None:
        self.width, self.height = size
        self.max_tries = max_tries
        self.min_crop_side_ratio = min_crop_side_ratio
        self.keep_ratio = keep_ratio
        if not keep_ratio:
            log.warning(
                "%s: with keep_ratio false the image is stretched to the size and its boxes are "
                "not, as in PaddleOCR; take keep_ratio true",
                type(self).__name__,
            )

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report sizes and counts that no crop can have."""
        problems = []
        size = options.get("size", (640, 640))
        if len(size) != 2 or min(size) < 1:
            problems.append(("size", f"expected width and height in px, got {size!r}"))
        if options.get("max_tries", 1) < 1:
            problems.append(("max_tries", f"expected at least 1, got {options['max_tries']}"))
        if not 0 <= options.get("min_crop_side_ratio", 0.1) <= 1:
            message = f"expected a number from 0 to 1, got {options['min_crop_side_ratio']}"
            problems.append(("min_crop_side_ratio", message))
        return problems

    @abstractmethod
    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Crop a decoded sample whose label is read."""


class EastRandomCropData(Crop):
    """Crops a random part that cuts no text, and resizes it.

    Texts that lie outside the part are dropped. Text that reaches over the image's border is kept
    whole too, which PaddleOCR forgets at the left and upper border.

    Args:
        size: width and height in px of the result.
        max_tries: how many parts to try; then the whole image is taken.
        min_crop_side_ratio: a part is at least so large, as a share of the image.
        keep_ratio: fit the part into the upper left of a black image, rather than stretching it.

    Source: PaddleOCR `random_crop_data`.
    """

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Crop a decoded sample whose label is read."""
        labels = TextPolygons.of(sample)
        wanted = labels.polys[~labels.ignored]
        shape = sample.image.shape[:2]
        if sample.values.get(IS_UNLABELLED):
            window = any_window(shape, self.min_crop_side_ratio, draw.rng)
        else:
            window = choose_window(
                shape, wanted, self.min_crop_side_ratio, self.max_tries, draw.rng
            )
        scale = min(self.width / window.width, self.height / window.height)
        fitted = Window(0, 0, int(window.width * scale), int(window.height * scale))
        part = window.of(sample.image)
        if self.keep_ratio:
            image = np.zeros((self.height, self.width, part.shape[2]), dtype=np.uint8)
            target = fitted.of(image)
            if target.size:
                target[:] = cv2.resize(part, (fitted.width, fitted.height))
        else:
            image = cv2.resize(part, (self.width, self.height)).astype(np.uint8, copy=False)
        sample.image = image
        polys = (labels.polys - np.array([window.x, window.y])) * scale
        return labels.moved(polys).kept(np.flatnonzero(~fitted.misses(polys))).put(sample)


def any_window(shape: Sequence[int], min_side_ratio: float, rng: np.random.Generator) -> Window:
    """Choose a part of an image of which nobody knows where text is.

    Args:
        shape: height and width of the image in px.
        min_side_ratio: a part is at least so large, as a share of the image.
        rng: for the choice.
    """
    sides = [max(1, round(side * rng.uniform(min_side_ratio, 1))) for side in shape[:2]]
    top, left = (
        int(rng.integers(0, whole - side + 1)) for whole, side in zip(shape, sides, strict=False)
    )
    return Window(left, top, sides[1], sides[0])


def choose_window(
    shape: Sequence[int],
    polys: Polygons,
    min_side_ratio: float,
    max_tries: int,
    rng: np.random.Generator,
) -> Window:
    """Choose a part whose borders run through no text, and that holds one.

    Args:
        shape: height and width of the image in px.
        polys: the texts, [K, P, 2].
        min_side_ratio: a part is at least so large, as a share of the image.
        max_tries: how many parts to try.
        rng: for the choice.

    Returns:
        The part; the whole image where none is found.
    """
    height, width = shape
    whole = Window(0, 0, width, height)
    rows, columns = _free_lines(polys, 1, height), _free_lines(polys, 0, width)
    if not len(rows) or not len(columns):
        return whole
    row_runs, column_runs = _runs(rows), _runs(columns)
    for _ in range(max_tries):
        left, right = _choose_two(columns, column_runs, rng)
        top, bottom = _choose_two(rows, row_runs, rng)
        window = Window(left, top, right - left, bottom - top)
        if window.width < min_side_ratio * width or window.height < min_side_ratio * height:
            continue
        if window.width and window.height and not window.misses(polys).all():
            return window
    return whole


def _free_lines(polys: Polygons, axis: int, length: int) -> NDArray[np.int64]:
    """Return the columns (axis 0) or rows (axis 1) of an image that no text touches."""
    is_taken = np.zeros(length, dtype=np.bool_)
    along = np.round(polys[..., axis]).astype(np.int64)
    for first, last in zip(along.min(axis=1), along.max(axis=1), strict=True):
        is_taken[max(first, 0) : max(last, 0)] = True
    return np.flatnonzero(~is_taken)


def _runs(lines: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the runs of neighbouring lines but for the last, which PaddleOCR leaves out too."""
    return np.split(lines, np.flatnonzero(np.diff(lines) != 1) + 1)[:-1]


def _choose_two(
    lines: NDArray[np.int64], runs: list[NDArray[np.int64]], rng: np.random.Generator
) -> tuple[int, int]:
    """Choose two lines, the lower first; of two runs, where there are several."""
    if len(runs) > 1:
        chosen = [rng.choice(runs[number], size=1)[0] for number in rng.choice(len(runs), 2)]
    else:
        chosen = list(rng.choice(lines, size=2))
    return int(min(chosen)), int(max(chosen))
