"""Paper, paint and light: from the ink mask of a line to a picture of it."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
Picture = NDArray[np.float32]
Color = NDArray[np.float32]

TILE_SHAPE = (256, 2048)
LUMA_BGR = np.array([0.114, 0.587, 0.299], np.float32)


@cache
def _noise_tile() -> Picture:
    """Make unit Gaussian noise, float32 [256, 2048], once a process and always the same."""
    return np.random.default_rng(0).standard_normal(TILE_SHAPE, dtype=np.float32)


def noise(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Cut unit Gaussian noise at a random place: float32 [height, width], not to be changed."""
    tile = _noise_tile()
    if height > tile.shape[0] or width > tile.shape[1]:
        tile = np.tile(tile, (-(-height // tile.shape[0]), -(-width // tile.shape[1])))
    top = int(rng.integers(tile.shape[0] - height + 1))
    left = int(rng.integers(tile.shape[1] - width + 1))
    return tile[top : top + height, left : left + width]


def smooth_noise(rng: np.random.Generator, height: int, width: int, grain_px: int) -> Picture:
    """Make noise with blots about `grain_px` wide: float32 [height, width], about unit size."""
    small = noise(rng, max(2, height // grain_px), max(2, width // grain_px))
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).astype(
        np.float32, copy=False
    )


def paint(
    mask: Mask,
    rng: np.random.Generator,
    difficulty: float,
    colors: tuple[Color, Color] | None = None,
) -> Picture:
    """Put the ink of `mask` on a background.

    Args:
        mask: uint8 [h, w], 255 full ink.
        difficulty: 0 black on plain white .. 1.
        colors: of paper and ink on a document; None to draw them, of documents and of scenes.

    Returns:
        BGR float32 [h, w, 3], levels 0 .. 255, maybe a little beyond.
    """
    height, width = mask.shape
    if difficulty == 0:
        return np.repeat(255.0 - mask[:, :, np.newaxis].astype(np.float32), 3, axis=2)
    is_document = colors is not None or rng.random() > 0.2 + 0.4 * difficulty
    if colors is None:
        colors = document_colors(rng) if is_document else scene_colors(rng, difficulty)
    paper, ink = colors
    coverage = _wear(mask, rng, difficulty).astype(np.float32) / 255.0
    contrast = abs(float((paper - ink) @ LUMA_BGR))
    picture = _background(paper, contrast, (height, width), rng, difficulty)
    if rng.random() < 0.3 * difficulty:
        coverage = np.maximum(coverage, _draw_neighbours(coverage, rng))
    if not is_document and rng.random() < 0.3 * difficulty:
        _add_shadow(picture, coverage, paper, ink, rng)
    if rng.random() < 0.25 * difficulty:
        _add_rules(picture, coverage, paper, ink, rng)
    picture += (ink - picture) * coverage[:, :, np.newaxis]
    if rng.random() < 0.6 * difficulty:
        picture *= _light((height, width), rng, difficulty)[:, :, np.newaxis]
    return picture


def document_colors(rng: np.random.Generator) -> tuple[Color, Color]:
    """Draw grey ink and paper of a light tint; at times light on dark."""
    paper = np.float32(rng.uniform(185, 255)) + rng.uniform(-12, 4, 3).astype(np.float32)
    ink = np.float32(rng.uniform(0, 85)) + rng.uniform(-8, 8, 3).astype(np.float32)
    if rng.random() < 0.1:
        paper, ink = ink, paper
    return paper, ink


def scene_colors(rng: np.random.Generator, difficulty: float) -> tuple[Color, Color]:
    """Draw two colours of any hue that differ enough in brightness to be read."""
    contrast = 140 - 80 * difficulty
    for _ in range(8):
        colors = rng.uniform(0, 255, (2, 3)).astype(np.float32)
        # Most things are duller than a colour drawn evenly.
        greys = colors.mean(axis=1, keepdims=True)
        paper, ink = greys + (colors - greys) * rng.uniform(0.15, 1, (2, 1)).astype(np.float32)
        if abs(float((paper - ink) @ LUMA_BGR)) >= contrast:
            return paper, ink
    white, black = np.full(3, 235, np.float32), np.full(3, 25, np.float32)
    return (white, black) if rng.random() < 0.5 else (black, white)


def _wear(mask: Mask, rng: np.random.Generator, difficulty: float) -> Mask:
    """Thicken or thin the strokes, and let ink flake off in places."""
    weight = rng.uniform(-0.45, 0.8) * difficulty
    kernel = np.ones((2, 2) if abs(weight) < 0.2 or mask.shape[0] < 28 else (3, 3), np.uint8)
    if rng.random() < 0.4:
        changed = cv2.dilate(mask, kernel) if weight > 0 else cv2.erode(mask, kernel)
        mask = cv2.addWeighted(mask, 1 - abs(weight), changed, abs(weight), 0).astype(np.uint8)
    if rng.random() < 0.3 * difficulty:
        grain = int(rng.integers(1, 4)) if rng.random() < 0.6 else mask.shape[0] // 2
        kept = 1.0 + 0.35 * difficulty * smooth_noise(rng, mask.shape[0], mask.shape[1], grain)
        mask = (mask * np.clip(kept, 0.35, 1.0)).astype(np.uint8)
    return mask


def _background(
    paper: Color,
    contrast: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
    difficulty: float,
) -> Picture:
    """Paint the paper plain, shaded, mottled or grained: float32 [h, w, 3].

    The variations stay well under `contrast`, the difference to the ink, so that the text is not
    lost in them.
    """
    picture = np.empty((*shape, 3), np.float32)
    picture[:] = paper
    strength = 0.3 * contrast * difficulty
    if rng.random() < 0.4:
        slope = ramp(shape, rng) * np.float32(strength)
        picture += slope[:, :, np.newaxis]
    if rng.random() < 0.45:
        grain = int(rng.integers(2, max(3, shape[0] // 2)))
        mottle = smooth_noise(rng, *shape, grain) * np.float32(0.4 * strength)
        tint = rng.uniform(0.6, 1.0, 3).astype(np.float32)
        picture += mottle[:, :, np.newaxis] * tint
    if rng.random() < 0.5:
        picture += noise(rng, *shape)[:, :, np.newaxis] * np.float32(0.25 * strength)
    return picture


def ramp(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Make a plane in a random direction: float32 [h, w], -1 .. 1."""
    angle = rng.uniform(0, 2 * math.pi)
    rows = np.linspace(-1, 1, shape[0], dtype=np.float32) * np.float32(math.sin(angle))
    columns = np.linspace(-1, 1, shape[1], dtype=np.float32) * np.float32(math.cos(angle))
    steepest = np.float32(abs(math.sin(angle)) + abs(math.cos(angle)))
    return ((rows[:, np.newaxis] + columns) / steepest).astype(np.float32, copy=False)


def _light(shape: tuple[int, int], rng: np.random.Generator, difficulty: float) -> Picture:
    """Make uneven light: factors float32 [h, w] around 1."""
    return 1.0 + ramp(shape, rng) * np.float32(rng.uniform(0.05, 0.3) * difficulty)


def _draw_neighbours(coverage: Picture, rng: np.random.Generator) -> Picture:
    """Draw the ends of letters of the lines above and below, which a loose crop catches."""
    height, width = coverage.shape
    rows = np.flatnonzero(coverage.max(axis=1) > 0.2)
    neighbours = np.zeros_like(coverage)
    if rows.size == 0 or rng.random() < 0.1:
        return neighbours
    # A line's pitch exceeds the height of its ink, so the neighbours never touch the text; and only
    # their ends show, or the label would be wrong.
    ink = float(rows[-1] - rows[0])
    shown = ink * rng.uniform(0.05, 0.2)
    pitch = round(
        max(height - rows[0] - shown, rows[-1] + 1 - shown, ink + max(2.0, 0.05 * height))
    )
    shifted = np.roll(coverage[:, ::-1], int(rng.integers(width)), axis=1)
    if pitch >= height:
        return neighbours
    if rng.random() < 0.7:
        neighbours[: height - pitch] = shifted[pitch:]
    if rng.random() < 0.7:
        neighbours[pitch:] = np.maximum(neighbours[pitch:], shifted[: height - pitch])
    return neighbours


def _add_shadow(
    picture: Picture, coverage: Picture, paper: Color, ink: Color, rng: np.random.Generator
) -> None:
    """Add a drop shadow or a contour below the text, in a tone away from the ink's."""
    height = coverage.shape[0]
    is_dark_ink = float((ink - paper) @ LUMA_BGR) < 0
    tone = np.float32(245 if is_dark_ink else 15)
    reach = max(1, round(height * 0.05))
    if rng.random() < 0.5:
        matrix = np.array([(1, 0, reach), (0, 1, reach)], np.float32)
        shadow = cv2.warpAffine(coverage, matrix, coverage.shape[::-1])
    else:
        shadow = cv2.dilate(coverage, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    amount = np.float32(rng.uniform(0.3, 0.8)) * shadow.astype(np.float32, copy=False)
    picture += (tone - picture) * amount[:, :, np.newaxis]


def _add_rules(
    picture: Picture, coverage: Picture, paper: Color, ink: Color, rng: np.random.Generator
) -> None:
    """Add an underline, an overline or the edge of a box, never through the text."""
    height = coverage.shape[0]
    rows = np.flatnonzero(coverage.max(axis=1) > 0.2)
    if rows.size == 0:
        return
    color = ink + (paper - ink) * np.float32(rng.uniform(0, 0.5))
    thickness = max(1, round(height * rng.uniform(0.02, 0.05)))
    if rng.random() < 0.7:
        top = min(int(rows[-1]) + max(1, round(height * rng.uniform(0.02, 0.1))), height - 1)
        picture[top : top + thickness] = color
    if rng.random() < 0.3:
        bottom = max(int(rows[0]) - max(1, round(height * rng.uniform(0.02, 0.1))), 1)
        picture[max(0, bottom - thickness) : bottom] = color
