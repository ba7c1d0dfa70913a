"""Degrades the picture of a line as a camera, a scanner and a file format do."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.scene import Picture, noise

BgrImage = NDArray[np.uint8]


def degrade(
    picture: Picture, rng: np.random.Generator, difficulty: float, line_px: float | None = None
) -> BgrImage:
    """Apply coarse sampling, blur, noise, thresholding and JPEG, each by chance.

    Args:
        picture: BGR float32 [h, w, 3] or grey [h, w], levels 0 .. 255.
        difficulty: 0 leaves the picture as it is .. 1.
        line_px: height of a line, which decides how much detail may be lost; None where the
            picture is one line.

    Returns:
        BGR uint8 [h, w, 3].
    """
    if difficulty == 0:
        return _levels(picture)
    is_grey = picture.ndim == 2 or rng.random() < 0.4
    if is_grey and picture.ndim == 3:
        # Most scans are grey; one channel also takes a third of the time.
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32, copy=False)
    if rng.random() < 0.08 * difficulty:
        picture = np.float32(255) - picture
    is_page = line_px is not None
    line_px = picture.shape[0] if line_px is None else line_px
    picture = _resample(picture, rng, difficulty, line_px)
    picture = _blur(picture, rng, difficulty, line_px)
    if rng.random() < 0.6 * difficulty:
        strength = np.float32(rng.uniform(2, 4 + 18 * difficulty))
        grain = noise(rng, *picture.shape[:2]) * strength
        picture = picture + (grain if is_grey else grain[:, :, np.newaxis])
    image = _levels(picture)
    if is_grey and rng.random() < 0.2 * difficulty:
        image = _two_levels(_even(image, 6 * line_px) if is_page else image)
    if rng.random() < 0.7 * difficulty:
        image = _jpeg(image, int(rng.integers(95 - round(65 * difficulty), 96)))
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
    return image


def _levels(picture: Picture) -> BgrImage:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _resample(
    picture: Picture, rng: np.random.Generator, difficulty: float, line_px: float
) -> Picture:
    """Lose detail as a small crop does that was enlarged."""
    height, width = picture.shape[:2]
    smallest = 20 - 8 * difficulty
    if rng.random() >= 0.35 * difficulty or line_px <= smallest:
        return picture
    scale = max(rng.uniform(0.45, 0.9), smallest / line_px)
    small = cv2.resize(
        picture, (max(1, round(width * scale)), round(height * scale)), interpolation=cv2.INTER_AREA
    )
    method = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
    return cv2.resize(small, (width, height), interpolation=method).astype(np.float32, copy=False)


def _blur(picture: Picture, rng: np.random.Generator, difficulty: float, line_px: float) -> Picture:
    """Blur as a lens out of focus or a moving camera does, or not at all."""
    chance = rng.random()
    if chance < 0.45 * difficulty:
        sigma = rng.uniform(0.008, 0.012 + 0.028 * difficulty) * line_px
        return cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.float32, copy=False)
    if chance < 0.55 * difficulty:
        length = max(2, round(line_px * rng.uniform(0.04, 0.04 + 0.08 * difficulty)))
        return cv2.filter2D(picture, -1, _motion_kernel(length, rng.uniform(0, math.pi))).astype(
            np.float32, copy=False
        )
    return picture


def _motion_kernel(length: int, angle: float) -> NDArray[np.float32]:
    """Draw a line of `length` px through the middle of a square: float32, sums to 1."""
    size = length | 1
    middle = size // 2
    along = (math.cos(angle) * length / 2, math.sin(angle) * length / 2)
    first = (round(middle - along[0]), round(middle - along[1]))
    last = (round(middle + along[0]), round(middle + along[1]))
    kernel = np.zeros((size, size), np.float32)
    cv2.line(kernel, first, last, 1.0)
    kernel /= kernel.sum()
    return kernel


def _even(image: BgrImage, reach_px: float) -> BgrImage:
    """Divide by the light around, so that one threshold serves for a whole page."""
    side = 2 * round(reach_px) + 1
    around = cv2.blur(image, (side, side)).astype(np.float32)
    return np.clip(image / np.maximum(around, 8) * 160, 0, 255).astype(np.uint8)


def _two_levels(image: BgrImage) -> BgrImage:
    """Reduce to black and white, as fax machines and old scans do."""
    # Smoothed before, as scanners do, or noise would turn into pepper all over the text.
    smoothed = cv2.GaussianBlur(image, (0, 0), 1.0)
    _, binary = cv2.threshold(smoothed, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return binary.astype(np.uint8, copy=False)


def _jpeg(image: BgrImage, quality: int) -> BgrImage:
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return decoded.astype(np.uint8, copy=False)
