"""Flips, rotations, sizes and perspectives of a page with its polygons.

Source: PaddleOCR `iaa_augment`, with the arithmetic of albumentations 2.0, which it calls;
`operators.RandomPerspective`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.sample import Draw, Image, Sample
from training.detection.labels import TextPolygons
from training.registry import Problems, Registry

Matrix = NDArray[np.float64]

_MOST_PIXELS = 64 * 2**20
"""No step makes a larger image: a worker's memory is bounded."""


class Fliplr:
    """Mirrors left and right.

    Args:
        p: probability.
    """

    def __init__(self, p: float = 1.0) -> None:
        self.p = p

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Mirror a decoded sample whose label is read."""
        if draw.rng.random() < self.p:
            sample.image = cv2.flip(sample.image, 1)
            labels = TextPolygons.of(sample)
            polys = labels.polys.astype(np.float32)
            polys[..., 0] = (sample.image.shape[1] - 1) - polys[..., 0]
            labels.moved(polys).put(sample)
        return sample


class Affine:
    """Rotates around the centre.

    Args:
        p: probability.
        rotate: least and greatest angle in degrees, or the angle; clockwise.
        fit_output: enlarge the image so that nothing is cut; else it keeps its size, and texts may
            come to lie outside.
    """

    def __init__(
        self, p: float = 1.0, rotate: float | Sequence[float] = 0.0, fit_output: bool = False
    ) -> None:
        self.p = p
        self.rotate = _range_of(rotate)
        self.fit_output = fit_output

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Rotate a decoded sample whose label is read."""
        if draw.rng.random() >= self.p:
            return sample
        height, width = sample.image.shape[:2]
        matrix = rotation(height, width, draw.rng.uniform(*self.rotate))
        size = (width, height)
        if self.fit_output:
            matrix, size = fitted(matrix, height, width)
        if np.array_equal(matrix, np.eye(3)):
            return sample
        sample.image = cv2.warpAffine(sample.image, matrix[:2], size, flags=cv2.INTER_LINEAR)
        labels = TextPolygons.of(sample)
        return labels.moved(transformed(labels.polys, matrix)).put(sample)


class Resize:
    """Resizes both sides by one factor.

    Args:
        size: least and greatest factor; images stay as they are where none are given.
    """

    def __init__(self, size: Sequence[float] = (1.0, 1.0)) -> None:
        self.size = _range_of(size)

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Resize a decoded sample whose label is read."""
        height, width = sample.image.shape[:2]
        scale = min(draw.rng.uniform(*self.size), math.sqrt(_MOST_PIXELS / (height * width)))
        sides = (max(int(width * scale), 1), max(int(height * scale), 1))
        sample.image = cv2.resize(sample.image, sides, interpolation=cv2.INTER_LINEAR)
        labels = TextPolygons.of(sample)
        return labels.moved((labels.polys * scale).astype(np.float32)).put(sample)


def _range_of(value: float | Sequence[float]) -> tuple[float, float]:
    if isinstance(value, int | float):
        return float(value), float(value)
    lowest, highest = value
    return float(lowest), float(highest)


def rotation(height: int, width: int, degrees: float) -> Matrix:
    """Return the matrix that rotates an image around its centre, clockwise, float64 [3, 3]."""
    centre = np.eye(3)
    centre[:2, 2] = width / 2 - 0.5, height / 2 - 0.5
    back = np.eye(3)
    back[:2, 2] = -centre[:2, 2]
    angle = np.deg2rad(degrees % 360)
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    return centre @ turn @ back


def fitted(matrix: Matrix, height: int, width: int) -> tuple[Matrix, tuple[int, int]]:
    """Move and enlarge the target of an affine matrix so that it holds the image.

    Returns:
        The matrix, and width and height in px.
    """
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]])
    moved = (corners @ matrix.T)[:, :2]
    lowest, highest = np.floor(moved.min(axis=0)), np.ceil(moved.max(axis=0))
    shift = np.eye(3)
    shift[:2, 2] = -lowest
    size = (highest - lowest + 1).astype(int).tolist()
    return shift @ matrix, (size[0], size[1])


def transformed(polys: NDArray[Any], matrix: Matrix) -> NDArray[np.float32]:
    """Move polygons, [K, P, 2], by an affine or projective matrix: float32 [K, P, 2]."""
    points = polys.astype(np.float32).reshape(-1, 1, 2)
    if not len(points):
        return polys.astype(np.float32)
    if np.array_equal(matrix[2], [0, 0, 1]):
        moved = cv2.transform(points, matrix[:2])
    else:
        moved = cv2.perspectiveTransform(points, matrix)
    return moved.reshape(polys.shape).astype(np.float32, copy=False)


AUGMENTERS = Registry("augmenter", {"Fliplr": Fliplr, "Affine": Affine, "Resize": Resize})
_DEFAULT_AUGMENTERS: tuple[Mapping[str, Any], ...] = (
    {"type": "Fliplr", "args": {"p": 0.5}},
    {"type": "Affine", "args": {"rotate": [-10, 10]}},
    {"type": "Resize", "args": {"size": [0.5, 3]}},
)


class IaaAugment:
    """Applies flips, rotations and sizes in order.

    Args:
        augmenter_args: `type` and `args` of each: `Fliplr`, `Affine`, `Resize`.

    Source: PaddleOCR `iaa_augment`.
    """

    def __init__(self, augmenter_args: Sequence[Mapping[str, Any]] | None = None) -> None:
        entries = _DEFAULT_AUGMENTERS if augmenter_args is None else augmenter_args
        self.steps: list[Callable[[Sample, Draw], Sample]] = []
        for index, entry in enumerate(entries):
            section = {"name": entry["type"], **(entry.get("args") or {})}
            self.steps.append(AUGMENTERS.build(section, f"augmenter_args.{index}"))

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report augmenters that do not exist, and their unknown options."""
        problems = Problems()
        for index, entry in enumerate(options.get("augmenter_args") or ()):
            where = f"augmenter_args.{index}"
            if not isinstance(entry, Mapping) or not {"type"} <= set(entry) <= {"type", "args"}:
                problems.add(where, f"expected type and args of an augmenter, got {entry!r}")
            else:
                AUGMENTERS.read_options(entry["type"], entry.get("args"), where, problems)
        return [(problem.path, problem.message) for problem in problems]

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Change a decoded sample whose label is read."""
        for step in self.steps:
            sample = step(sample, draw)
        return sample


class RandomPerspective:
    """Looks at a page from an angle; texts that shrink away or leave the image are dropped.

    Args:
        prob: probability.
        degrees: greatest rotation either way.
        scale: greatest change of the size, as a share.
        shear: greatest shear in degrees, along both axes.
        perspective: greatest coefficient for an image of 640 px.
        fit_output: enlarge the image so that nothing is cut.
        fill_value: of what comes in from outside, of each channel or of all.
        min_area_ratio: a text keeps more than this share of its area.

    Source: PaddleOCR `operators.RandomPerspective`, of PP-OCRv6.
    """

    def __init__(
        self,
        prob: float = 0.3,
        degrees: float = 0.0,
        scale: float = 0.2,
        shear: float = 5.0,
        perspective: float = 0.0002,
        fit_output: bool = True,
        fill_value: float | Sequence[float] = (123.675, 116.28, 103.53),
        min_area_ratio: float = 0.1,
    ) -> None:
        self.prob = prob
        self.degrees = degrees
        self.scale = scale
        self.shear = shear
        self.perspective = perspective
        self.fit_output = fit_output
        is_single = isinstance(fill_value, int | float)
        self.fill_value = (float(fill_value),) * 3 if is_single else tuple(fill_value)  # type: ignore[arg-type]
        self.min_area_ratio = min_area_ratio

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Change a decoded sample whose label is read."""
        if draw.rng.random() > self.prob:
            return sample
        height, width = sample.image.shape[:2]
        matrix, size = self._target(self._matrix(height, width, draw.rng), height, width)
        if size[0] * size[1] > _MOST_PIXELS:
            return sample
        sample.image = self._warped(sample.image, matrix, size)
        labels = TextPolygons.of(sample)
        polys = transformed(labels.polys, matrix)
        areas, old_areas = (
            np.array([cv2.contourArea(polygon.astype(np.float32)) for polygon in group])
            for group in (polys, labels.polys)
        )
        centres = polys.mean(axis=1)
        is_kept = areas > old_areas * self.min_area_ratio
        is_kept &= ((centres > 0) & (centres < np.array(size))).all(axis=1)
        return labels.moved(polys).kept(np.flatnonzero(is_kept)).put(sample)

    def _warped(self, image: Image, matrix: Matrix, size: tuple[int, int]) -> Image:
        return cv2.warpPerspective(  # type: ignore[return-value]
            image,
            matrix,
            size,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=self.fill_value,
        )

    def _target(self, matrix: Matrix, height: int, width: int) -> tuple[Matrix, tuple[int, int]]:
        """Return the matrix that moves the origin into the result, and the result's size."""
        shift = np.eye(3, dtype=np.float32)
        if not self.fit_output:
            shift[:2, 2] = width / 2, height / 2
            return shift @ matrix, (width, height)
        corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], dtype=np.float32)
        moved = cv2.perspectiveTransform(corners, matrix)[0]
        lowest, highest = np.floor(moved.min(axis=0)), np.ceil(moved.max(axis=0))
        shift[:2, 2] = -lowest
        size = (highest - lowest).astype(int).tolist()
        return shift @ matrix, (max(size[0], 1), max(size[1], 1))

    def _matrix(self, height: int, width: int, rng: np.random.Generator) -> Matrix:
        """Draw a projective matrix around the centre, float32 [3, 3]."""
        centre, perspective, turn, shear = (np.eye(3, dtype=np.float32) for _ in range(4))
        centre[:2, 2] = -width / 2, -height / 2
        reach = self.perspective * (640.0 / max(height, width))
        perspective[2, 0] = rng.uniform(-reach, reach)
        perspective[2, 1] = rng.uniform(-reach, reach)
        size = rng.uniform(1 - self.scale, 1 + self.scale)
        angle = rng.uniform(-self.degrees, self.degrees)
        turn[:2] = cv2.getRotationMatrix2D((0, 0), angle, size)
        shear[0, 1] = math.tan(rng.uniform(-self.shear, self.shear) * math.pi / 180)
        shear[1, 0] = math.tan(rng.uniform(-self.shear, self.shear) * math.pi / 180)
        return shear @ turn @ perspective @ centre
