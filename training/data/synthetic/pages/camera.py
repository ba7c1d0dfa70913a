"""From a sheet to an image of it: where its points come to lie, what lies around it, the light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.pages.levels import blended, plain, raised, scaled
from training.data.synthetic.pages.sheet import Points, TextBox
from training.data.synthetic.scene import Picture, ramp, smooth_noise

Layer = TypeVar("Layer", NDArray[np.uint8], Picture)

LEAST_SHARE = 0.95
"""A text of which less is within the image is not learnt from."""

LEAST_HEIGHT_PX = 1.0
_POINTS_OF_CURVES = 7


@dataclass(frozen=True)
class View:
    """Where the points of a sheet come to lie in the image: bent first, then seen.

    Points are continuous: pixel i covers i .. i + 1.

    Args:
        matrix: from the bent sheet to the image, projective float64 [3, 3].
        size: width and height of the image, px.
        bends: amplitude in px, waves across the sheet and phase: down by x, then right by y.
        extent: width and height of the sheet, px.
    """

    matrix: NDArray[np.float64]
    size: tuple[int, int]
    bends: tuple[tuple[float, float, float], tuple[float, float, float]]
    extent: tuple[int, int]

    @property
    def is_bent(self) -> bool:
        """Tell whether straight lines stop being straight."""
        return any(amplitude for amplitude, _, _ in self.bends)

    @property
    def is_plain(self) -> bool:
        """Tell whether the image is the sheet as it is."""
        is_same = np.array_equal(self.matrix, np.eye(3)) and self.size == self.extent
        return is_same and not self.is_bent

    def points(self, points: Points) -> Points:
        """Move points of the sheet into the image: float64 [P, 2]."""
        bent = points.astype(np.float64)
        bent[:, 1] += self._bend(0, bent[:, 0])
        bent[:, 0] += self._bend(1, bent[:, 1])
        moved = np.concatenate([bent, np.ones((len(bent), 1))], axis=1) @ self.matrix.T
        seen: Points = moved[:, :2] / moved[:, 2:]
        return seen

    def _bend(self, axis: int, along: NDArray[np.floating]) -> NDArray[np.floating]:
        amplitude, waves, phase = self.bends[axis]
        if not amplitude:
            return np.zeros_like(along)
        bent: NDArray[np.floating] = amplitude * np.sin(
            along * (2 * math.pi * waves / self.extent[axis]) + phase
        )
        return bent

    def image(self, picture: Layer, border: int) -> Layer:
        """Move a picture or a mask of the sheet into the image.

        Args:
            border: OpenCV's name of what is outside the sheet.
        """
        half = np.eye(3)
        half[:2, 2] = 0.5
        matrix = np.linalg.inv(half) @ self.matrix @ half
        if not self.is_bent:
            return cv2.warpPerspective(
                picture, matrix, self.size, flags=cv2.INTER_LINEAR, borderMode=border
            ).astype(picture.dtype, copy=False)
        xs, ys = self._sources(np.linalg.inv(matrix))
        return cv2.remap(picture, xs, ys, cv2.INTER_LINEAR, borderMode=border).astype(
            picture.dtype, copy=False
        )

    def _sources(
        self, inverse: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return x and y on the sheet of every pixel of the image: float32 [h, w] each."""
        width, height = self.size
        u = np.arange(width, dtype=np.float32)
        v = np.arange(height, dtype=np.float32)[:, np.newaxis]
        rows = inverse.astype(np.float32)
        depth = rows[2, 0] * u + rows[2, 1] * v + rows[2, 2]
        xs = (rows[0, 0] * u + rows[0, 1] * v + rows[0, 2]) / depth
        ys = (rows[1, 0] * u + rows[1, 1] * v + rows[1, 2]) / depth
        # The bends are smooth: a table of them is read in place of a sine for every pixel.
        xs = xs - self._tabled(1, ys)
        ys = ys - self._tabled(0, xs)
        return xs, ys

    def _tabled(self, axis: int, along: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self.bends[axis][0]:
            return np.zeros((1, 1), np.float32)
        margin = self.extent[axis] // 2
        table = self._bend(axis, np.arange(-margin, self.extent[axis] + margin) + 0.5)
        places = np.clip(np.rint(along).astype(np.int32) + margin, 0, len(table) - 1)
        return table.astype(np.float32)[places]


def seen_boxes(view: View, boxes: list[TextBox], least_px: float) -> list[TextBox]:
    """Move boxes into the image, cut them at its edges, drop those outside.

    Args:
        least_px: lower texts are not readable.
    """
    seen = []
    for box in boxes:
        moved = _seen(view, box)
        if moved is None:
            continue
        area = cv2.contourArea(moved.polygon.astype(np.float32))
        limits = np.array(view.size, np.float64)
        top, bottom = (np.clip(edge, 0, limits) for edge in (moved.top, moved.bottom))
        height = np.linalg.norm(bottom - top, axis=1)
        is_kept = height >= LEAST_HEIGHT_PX
        if is_kept.sum() < 2:
            continue
        top, bottom = top[is_kept], bottom[is_kept]
        inside = cv2.contourArea(np.concatenate([top, bottom[::-1]]).astype(np.float32))
        if inside < 0.02 * area or np.ptp(np.concatenate([top, bottom]), axis=0).min() < 1:
            continue
        is_readable = box.is_readable and inside >= LEAST_SHARE * area
        is_readable = is_readable and float(np.median(height)) >= least_px
        seen.append(TextBox(box.text, top, bottom, is_readable))
    return seen


def _seen(view: View, box: TextBox) -> TextBox | None:
    if view.is_plain:
        return box
    top, bottom = box.top, box.bottom
    if view.is_bent:
        length = float(np.linalg.norm(top[-1] - top[0]))
        height = float(np.linalg.norm(bottom[0] - top[0]))
        count = int(np.clip(math.ceil(length / (3 * height)) + 1, 2, _POINTS_OF_CURVES))
        if count > 2:
            shares = np.linspace(0, 1, count)[:, np.newaxis]
            top, bottom = (edge[:1] + shares * (edge[-1:] - edge[:1]) for edge in (top, bottom))
    return TextBox(box.text, view.points(top), view.points(bottom), box.is_readable)


def choose_view(
    width: int, height: int, rng: np.random.Generator, difficulty: float, is_photo: bool
) -> View:
    """Draw how a sheet is seen: as it is, scanned a little askew, or photographed."""
    straight = ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0))
    extent = (width, height)
    if difficulty == 0 or (not is_photo and rng.random() > 0.9 * min(1.0, difficulty + 0.2)):
        return View(np.eye(3), extent, straight, extent)
    bends = straight
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    turned = corners - (width / 2, height / 2)
    degrees = float(np.clip(rng.normal(0, 1.2), -4, 4)) * difficulty * 2
    if is_photo:
        degrees = float(np.clip(rng.normal(0, 5), -15, 15)) * 2 * difficulty
        turned = turned + rng.uniform(-0.1, 0.1, (4, 2)) * difficulty * min(width, height)
    if rng.random() < 0.06 * difficulty:
        degrees += float(rng.choice((90, 180, 270)))
    angle = math.radians(degrees)
    turn = np.array([(math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))])
    turned = turned @ turn.T
    if rng.random() < (0.6 if is_photo else 0.25) * difficulty * 2:
        bends = _choose_bends(width, height, rng, difficulty if is_photo else 0.3 * difficulty)
    low, high = turned.min(axis=0), turned.max(axis=0)
    around = (high - low) * _margins(rng, is_photo)
    size = np.ceil(high - low + around.sum(axis=0)).astype(int)
    target = turned - low + around[0]
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target.astype(np.float32))
    return View(matrix.astype(np.float64), (int(size[0]), int(size[1])), bends, extent)


def _margins(rng: np.random.Generator, is_photo: bool) -> NDArray[np.float64]:
    """Draw the room around a sheet by its size: left and top, right and bottom; float64 [2, 2]."""
    chance = rng.random()
    if is_photo:
        return rng.uniform(-0.02, 0.14, (2, 2)) if chance < 0.8 else rng.uniform(-0.08, 0, (2, 2))
    if chance < 0.55:
        return rng.uniform(-0.012, 0.005, (2, 2))
    if chance < 0.85:
        return rng.uniform(0, 0.06, (2, 2))
    return rng.uniform(0, 0.5, (2, 2)) * (rng.random((2, 2)) < 0.7)


def _choose_bends(
    width: int, height: int, rng: np.random.Generator, difficulty: float
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    phases = rng.uniform(0, 2 * math.pi, 2)
    down = float(rng.uniform(0.005, 0.04)) * difficulty * width
    right = float(rng.uniform(0, 0.015)) * difficulty * height if rng.random() < 0.5 else 0.0
    waves = rng.uniform(0.3, 0.8, 2)
    return (down, float(waves[0]), float(phases[0])), (right, float(waves[1]), float(phases[1]))


def on_surface(
    view: View, picture: Picture, rng: np.random.Generator, difficulty: float, is_photo: bool
) -> Picture:
    """Lay a picture of a sheet on a surface and look at it: float32 [h, w] or BGR [h, w, 3]."""
    if view.is_plain:
        return picture
    height, width = view.size[1], view.size[0]
    is_grey = picture.ndim == 2
    seen = view.image(picture, cv2.BORDER_REPLICATE)
    chance = rng.random()
    if not is_photo and chance < 0.35:
        return seen
    inside = np.full(picture.shape[:2], 255, np.uint8)
    cover = view.image(inside, cv2.BORDER_CONSTANT).astype(np.float32)
    cover *= np.float32(1 / 255)
    if not is_photo:
        level = rng.uniform(240, 255) if chance < 0.75 else rng.uniform(0, 110)
        surface = plain((height, width), (level, level, level), is_grey)
        return blended(surface, seen, cover)
    color = rng.uniform(20, 220, 3)
    color = color.mean() + (color - color.mean()) * rng.uniform(0, 0.6)
    surface = plain((height, width), color * rng.uniform(0.4, 1.0), is_grey)
    for _ in range(int(rng.integers(1, 4))):
        grains = np.exp(rng.uniform(0.7, 4, 2)).astype(int)
        cells = smooth_noise(rng, max(4, height // grains[0]), max(4, width // grains[1]), 2)
        streaks = cv2.resize(cells, (width, height)).astype(np.float32, copy=False)
        surface = raised(surface, streaks, rng.uniform(2, 16, 3))
    shadow = cv2.blur(cover, (2 * int(rng.integers(2, 20)) + 1,) * 2).astype(np.float32, copy=False)
    surface = scaled(surface, 1 - shadow * np.float32(rng.uniform(0.0, 0.6)))
    return blended(surface, seen, cover)


def lit(picture: Picture, rng: np.random.Generator, difficulty: float, is_photo: bool) -> Picture:
    """Let light fall on a picture, unevenly; a photograph has shadows too."""
    shape = (picture.shape[0], picture.shape[1])
    if rng.random() < (0.9 if is_photo else 0.5 * difficulty):
        most = 0.45 if is_photo else 0.25
        slope = np.float32(rng.uniform(0.03, most) * difficulty)
        picture = scaled(picture, 1.0 + ramp(shape, rng) * slope)
    if is_photo and rng.random() < 0.6:
        grain = max(shape) // int(rng.integers(1, 4))
        blots = smooth_noise(rng, *shape, max(2, grain))
        edge = float(rng.uniform(0.05, 0.6))
        shade = np.clip(blots / np.float32(edge), 0, 1) * np.float32(rng.uniform(0.1, 0.5))
        picture = scaled(picture, 1 - shade * np.float32(min(1.0, 2 * difficulty)))
    return picture
