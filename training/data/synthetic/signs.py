"""Letters in the open: paint on walls, shop fronts and screens, seen by a camera."""

from __future__ import annotations

import cv2
import numpy as np

from training.data.synthetic.scene import (
    LUMA_BGR,
    Color,
    Mask,
    Picture,
    noise,
    ramp,
    smooth_noise,
)

WEAKEST_CONTRAST = 28.0
"""Levels between ink and ground at full difficulty; people still read it."""
_MOST_SHAPES = 7


def paint_sign(mask: Mask, rng: np.random.Generator, difficulty: float) -> Picture:
    """Put letters on a ground as scenes have them, with contour, shadow and light.

    Args:
        mask: uint8 [h, w], 255 full ink.
        difficulty: above 0 .. 1.

    Returns:
        BGR float32 [h, w, 3], levels 0 .. 255, maybe a little beyond.
    """
    shape = (mask.shape[0], mask.shape[1])
    coverage = mask.astype(np.float32) / np.float32(255)
    base = _color(rng)
    ink = _ink_on(base, rng, difficulty)
    picture = _ground(base, ink, shape, rng, difficulty)
    edge = rng.random()
    if edge < 0.18 * (0.5 + difficulty):
        _add_contour(picture, coverage, base, ink, rng)
    elif edge < 0.35 * (0.5 + difficulty):
        _add_shadow(picture, coverage, ink, rng)
    if rng.random() < 0.15:
        # Letters shade from one colour into another of similar brightness.
        tint = ramp(shape, rng)[:, :, np.newaxis] * rng.uniform(-30, 30, 3).astype(np.float32)
        picture += (ink + tint - picture) * coverage[:, :, np.newaxis]
    else:
        picture += (ink - picture) * coverage[:, :, np.newaxis]
    if rng.random() < 0.4 * difficulty:
        _add_reflection(picture, rng)
    return picture


def _color(rng: np.random.Generator) -> Color:
    color = rng.uniform(0, 255, 3).astype(np.float32)
    grey = color.mean()
    return grey + (color - grey) * np.float32(rng.uniform(0.1, 1))


def _ink_on(base: Color, rng: np.random.Generator, difficulty: float) -> Color:
    """Draw a colour that differs from the ground in brightness by a contrast drawn at random."""
    ground = float(base @ LUMA_BGR)
    weakest = 120 - (120 - WEAKEST_CONTRAST) * difficulty
    room = max(ground, 255 - ground)
    contrast = weakest + (room - weakest) * rng.random()
    is_lighter = 255 - ground >= contrast and (ground < contrast or rng.random() < 0.55)
    target = ground + contrast if is_lighter else ground - contrast
    color = _color(rng)
    color += np.float32(target - float(color @ LUMA_BGR))
    color = np.clip(color, 0, 255)
    # Clipping takes brightness away, which grey gives back.
    return np.clip(color + np.float32(target - float(color @ LUMA_BGR)), 0, 255).astype(np.float32)


def _ground(
    base: Color, ink: Color, shape: tuple[int, int], rng: np.random.Generator, difficulty: float
) -> Picture:
    """Paint plain, shaded, textured or crowded ground that leaves the letters readable."""
    picture = np.empty((*shape, 3), np.float32)
    picture[:] = base
    contrast = abs(float((base - ink) @ LUMA_BGR))
    amount = np.float32(contrast * (0.15 + 0.3 * difficulty))
    if rng.random() < 0.5:
        picture += ramp(shape, rng)[:, :, np.newaxis] * amount
    style = rng.random()
    if style < 0.3:
        for grain in (shape[0], shape[0] // 3, 3):
            mottle = smooth_noise(rng, *shape, max(2, grain)) * (amount * np.float32(0.4))
            picture += mottle[:, :, np.newaxis] * rng.uniform(0.5, 1, 3).astype(np.float32)
    elif style < 0.55:
        _add_shapes(picture, amount, rng)
    elif style < 0.65:
        period = shape[0] * rng.uniform(0.08, 0.5)
        along = np.arange(shape[int(rng.integers(2))], dtype=np.float32)
        stripes = np.sign(np.sin(along * np.float32(2 * np.pi / period))) * (
            amount * np.float32(0.5)
        )
        if stripes.size == shape[0]:
            picture += stripes[:, np.newaxis, np.newaxis]
        else:
            picture += stripes[np.newaxis, :, np.newaxis]
    if rng.random() < 0.5:
        picture += noise(rng, *shape)[:, :, np.newaxis] * (amount * np.float32(0.25))
    return picture


def _add_shapes(picture: Picture, amount: np.float32, rng: np.random.Generator) -> None:
    """Add blocks, discs and bars, sharp or out of focus, a little lighter or darker."""
    height, width = picture.shape[:2]
    relief = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, _MOST_SHAPES + 1))):
        level = float(rng.uniform(-1, 1))
        x, y = int(rng.integers(width)), int(rng.integers(-height // 2, height))
        kind = rng.random()
        if kind < 0.5:
            corner = (x + int(rng.integers(3, 2 * height)), y + int(rng.integers(3, 2 * height)))
            cv2.rectangle(relief, (x, y), corner, level, -1)
        elif kind < 0.75:
            cv2.circle(relief, (x, y), int(rng.integers(3, height)), level, -1)
        else:
            end = (int(rng.integers(width)), int(rng.integers(height)))
            cv2.line(relief, (x, y), end, level, max(1, round(height * rng.uniform(0.03, 0.2))))
    if rng.random() < 0.6:
        sigma = max(0.6, height * rng.uniform(0.02, 0.1))
        relief = cv2.GaussianBlur(relief, (0, 0), sigma).astype(np.float32, copy=False)
    picture += relief[:, :, np.newaxis] * (amount * rng.uniform(0.4, 1, 3).astype(np.float32))


def _add_contour(
    picture: Picture, coverage: Picture, base: Color, ink: Color, rng: np.random.Generator
) -> None:
    """Add an edge around the letters in a colour away from theirs."""
    height = coverage.shape[0]
    side = 2 * max(1, round(height * rng.uniform(0.02, 0.07))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    around = cv2.dilate(coverage, kernel)
    is_dark_ink = float((ink - base) @ LUMA_BGR) < 0
    tone = np.float32(rng.uniform(190, 255) if is_dark_ink else rng.uniform(0, 70))
    color = tone + rng.uniform(-20, 20, 3).astype(np.float32)
    picture += (color - picture) * around[:, :, np.newaxis]


def _add_shadow(picture: Picture, coverage: Picture, ink: Color, rng: np.random.Generator) -> None:
    """Add a shadow or a block behind the letters, to one side and below."""
    height = coverage.shape[0]
    reach = height * rng.uniform(0.02, 0.09)
    steps = max(1, round(reach)) if rng.random() < 0.4 else 1
    side = reach if rng.random() < 0.5 else -reach
    shadow = np.zeros_like(coverage)
    for step in range(1, steps + 1):
        matrix = np.array([(1, 0, side * step / steps), (0, 1, reach * step / steps)], np.float32)
        moved = cv2.warpAffine(coverage, matrix, coverage.shape[::-1])
        shadow = np.maximum(shadow, moved)
    if steps == 1 and rng.random() < 0.5:
        shadow = cv2.GaussianBlur(shadow, (0, 0), max(0.6, reach / 2)).astype(np.float32)
    is_light_ink = float(ink @ LUMA_BGR) > 110
    tone = np.float32(rng.uniform(0, 60) if is_light_ink else rng.uniform(170, 255))
    picture += (tone - picture) * (np.float32(rng.uniform(0.3, 0.9)) * shadow)[:, :, np.newaxis]


def _add_reflection(picture: Picture, rng: np.random.Generator) -> None:
    """Brighten or darken a part of the picture, letters included."""
    height, width = picture.shape[:2]
    center = rng.uniform(0, width)
    spread = max(4.0, height * rng.uniform(0.5, 3))
    columns = (np.arange(width, dtype=np.float32) - np.float32(center)) / np.float32(spread)
    glow = np.exp(-columns * columns) * np.float32(rng.uniform(-0.35, 0.35))
    picture *= 1 + glow[np.newaxis, :, np.newaxis]
