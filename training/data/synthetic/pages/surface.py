"""Paper, print and wear: from a sheet to a picture of it under even light."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.pages.levels import blended, luma, plain, raised, scaled
from training.data.synthetic.pages.sheet import Sheet
from training.data.synthetic.scene import (
    Picture,
    document_colors,
    noise,
    scene_colors,
    smooth_noise,
)

Color = tuple[int, int, int]


def choose_colors(
    rng: np.random.Generator, difficulty: float, is_scene: bool
) -> tuple[Color, Color]:
    """Draw the colours of paper and ink, BGR."""
    if difficulty == 0:
        return (255, 255, 255), (0, 0, 0)
    if is_scene or rng.random() < 0.12 * difficulty:
        paper, ink = scene_colors(rng, difficulty)
    else:
        paper, ink = document_colors(rng)
        if luma(paper) < luma(ink) and rng.random() < 0.6:
            paper, ink = ink, paper
        if luma(paper) > luma(ink) and rng.random() < 0.6:
            paper, ink = paper + (np.float32(255) - paper.max()), ink * np.float32(0.5)
    return _color(paper), _color(ink)


def _color(levels: NDArray[np.float32]) -> Color:
    blue, green, red = (round(level) for level in np.clip(levels, 0, 255).tolist())
    return blue, green, red


def printed(
    sheet: Sheet, rng: np.random.Generator, difficulty: float, em: float, is_grey: bool
) -> Picture:
    """Bring paper and ink together.

    Args:
        em: of the body type, px; the grain of the wear follows it.
        is_grey: whether the picture has one channel.

    Returns:
        Float32 [h, w] or BGR [h, w, 3], levels 0 .. 255, maybe a little beyond.
    """
    coverage = np.maximum(sheet.text, sheet.marks).astype(np.float32) * np.float32(1 / 255)
    if difficulty:
        coverage = _worn(coverage, rng, difficulty, em)
    if sheet.paper is None:
        picture = plain((sheet.height, sheet.width), sheet.paper_color, is_grey)
    else:
        picture = _floats(sheet.paper, is_grey)
    if difficulty:
        picture = _age(picture, sheet, rng, difficulty, em)
    ink = sheet.ink_color if sheet.colors is None else _floats(sheet.colors, is_grey)
    picture = blended(picture, ink, coverage)
    if difficulty:
        picture = _damage(picture, sheet, rng, difficulty, em)
    return picture


def _floats(colors: NDArray[np.uint8], is_grey: bool) -> Picture:
    levels = cv2.cvtColor(colors, cv2.COLOR_BGR2GRAY) if is_grey else colors
    return levels.astype(np.float32)


def _worn(coverage: Picture, rng: np.random.Generator, difficulty: float, em: float) -> Picture:
    """Let print be faint as a whole, in bands, in patches or in each letter."""
    height, width = coverage.shape
    if rng.random() < 0.5 * difficulty:
        coverage = cv2.GaussianBlur(coverage, (0, 0), rng.uniform(0.3, 0.3 + 0.025 * em)).astype(
            np.float32, copy=False
        )
    if rng.random() < 0.8 * difficulty:
        coverage = coverage * np.float32(rng.uniform(1 - 0.6 * difficulty, 1.1))
    kinds = rng.random(4) < np.array([0.35, 0.25, 0.3, 0.2]) * difficulty
    if kinds[0]:
        band = smooth_noise(rng, 2, width, max(2, int(em * rng.uniform(0.5, 8))))[:1]
        coverage = coverage * np.clip(0.95 + 0.3 * difficulty * band, 0.3, 1.0)
    if kinds[1]:
        patch = smooth_noise(rng, height, width, max(2, int(em * rng.uniform(3, 20))))
        coverage = coverage * np.clip(0.9 + 0.35 * difficulty * patch, 0.3, 1.0)
    if kinds[2]:
        letters = smooth_noise(rng, height, width, max(2, int(0.6 * em)))
        coverage = coverage * np.clip(1.0 + 0.4 * difficulty * letters, 0.35, 1.0)
    if kinds[3]:
        grain = noise(rng, height, width)
        coverage = coverage * np.clip(1.0 + 0.6 * difficulty * grain, 0.2, 1.0)
    return np.minimum(coverage, np.float32(1))


def _age(
    picture: Picture, sheet: Sheet, rng: np.random.Generator, difficulty: float, em: float
) -> Picture:
    """Mottle the paper, stain it, and let the back of the sheet show through."""
    height, width = picture.shape[:2]
    contrast = abs(luma(sheet.paper_color) - luma(sheet.ink_color))
    if rng.random() < 0.5 * difficulty:
        grain = int(em * math.exp(rng.uniform(-1, 3)))
        mottle = smooth_noise(rng, height, width, max(2, grain))
        strength = np.float32(rng.uniform(0.01, 0.08) * contrast)
        picture = raised(picture, mottle * strength, rng.uniform(0.7, 1.0, 3))
    if rng.random() < 0.4 * difficulty:
        back = cv2.flip(sheet.text, 1 if rng.random() < 0.8 else -1)
        shift = np.array([(1, 0, rng.uniform(-40, 40)), (0, 1, rng.uniform(-2, 2) * em)])
        back = cv2.warpAffine(back, shift, (width, height))
        back = cv2.GaussianBlur(back, (0, 0), rng.uniform(0.6, 2.5)).astype(np.float32)
        share = back * np.float32(rng.uniform(0.04, 0.2) / 255)
        picture = blended(picture, sheet.ink_color, share)
    return picture


def _damage(
    picture: Picture, sheet: Sheet, rng: np.random.Generator, difficulty: float, em: float
) -> Picture:
    """Add folds, specks, holes and dark edges of a copier."""
    height, width = picture.shape[:2]
    ink = sheet.ink_color if picture.ndim == 3 else (luma(sheet.ink_color),) * 3
    if rng.random() < 0.25 * difficulty:
        for _ in range(int(rng.integers(1, 4))):
            at, is_level = rng.random(), rng.random() < 0.6
            size, across = (height, width) if is_level else (width, height)
            away = (np.arange(size) - at * size) / max(2.0, 0.4 * em)
            factor = np.float32(1) + np.float32(rng.uniform(-0.18, 0.12)) * np.exp(-(away**2))
            pair = (factor, np.ones(across)) if is_level else (np.ones(across), factor)
            picture = scaled(picture, np.outer(*pair))
    if rng.random() < 0.4 * difficulty:
        count = int(rng.integers(5, 120))
        places = (rng.random((count, 2)) * (width, height)).astype(int)
        for x, y in places.tolist():
            radius = int(rng.integers(0, max(2, round(0.12 * em))))
            cv2.circle(picture, (x, y), radius, ink, -1)
    if rng.random() < 0.2 * difficulty:
        x = (0.03 if rng.random() < 0.7 else 0.95) * width
        level = 25.0 if rng.random() < 0.5 else 235.0
        radius = max(3, round(em * rng.uniform(0.4, 0.9)))
        for share in (0.3, 0.7) if rng.random() < 0.7 else (0.15, 0.5, 0.85):
            _blot(picture, sheet, (round(x), round(share * height)), radius, level)
    if rng.random() < 0.25 * difficulty:
        reach = max(1, round(em * rng.uniform(0.1, 1.2)))
        ends = (np.s_[:reach], np.s_[-reach:], np.s_[:, :reach], np.s_[:, -reach:])
        strip = ends[int(rng.integers(4))]
        if not sheet.text[strip].any():
            picture[strip] = np.float32(rng.uniform(20, 120))
    return picture


def _blot(
    picture: Picture,
    sheet: Sheet,
    center: tuple[int, int],
    radius: int,
    level: float,
) -> None:
    """Draw a filled circle where no text stands."""
    x, y = center
    around = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
    if not sheet.text[around].any():
        cv2.circle(picture, center, radius, (level, level, level), -1, cv2.LINE_AA)
