"""What printing, copying and far cameras do to a picture: screens of dots, copies, few pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np

from training.data.synthetic.scene import Picture, noise, smooth_noise


def halftone(picture: Picture, rng: np.random.Generator) -> Picture:
    """Print greys as dots of a turned grid, as newspapers and catalogues do."""
    height, width = picture.shape[:2]
    grey = picture.mean(axis=2) if picture.ndim == 3 else picture
    pitch = max(2.2, height * rng.uniform(0.05, 0.09))
    angle = rng.uniform(0, math.pi)
    turn = np.float32(2 * math.pi / pitch)
    rows = np.arange(height, dtype=np.float32)[:, np.newaxis] * turn
    columns = np.arange(width, dtype=np.float32) * turn
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    dots = np.cos(columns * cosine + rows * sine) + np.cos(rows * cosine - columns * sine)
    strength = np.float32(rng.uniform(15, 60))
    screened = np.clip(grey + dots * strength, 0, 255)
    if rng.random() < 0.5:
        screened = np.clip((screened - 128) * np.float32(rng.uniform(1.2, 2.5)) + 128, 0, 255)
    return screened.astype(np.float32, copy=False)


def few_pixels(picture: Picture, rng: np.random.Generator, difficulty: float) -> Picture:
    """Shrink a line to as few pixels as distant signs have, and leave it so or enlarge it."""
    height, width = picture.shape[:2]
    # From 10 px on where it is hardest, as the smallest words that people still label.
    target = rng.uniform(24 - 13 * difficulty, 34 - 10 * difficulty)
    if target >= height:
        return picture
    scale = target / height
    size = (max(2, round(width * scale)), max(2, round(target)))
    way = cv2.INTER_AREA if rng.random() < 0.8 else cv2.INTER_LINEAR
    small = cv2.resize(picture, size, interpolation=way)
    if rng.random() < 0.5:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.3, 0.4 + 0.6 * difficulty))
    if rng.random() < 0.5:
        grain = noise(rng, size[1], size[0]) * np.float32(rng.uniform(2, 4 + 14 * difficulty))
        small = small + (grain if small.ndim == 2 else grain[:, :, np.newaxis])
    if rng.random() < 0.3:
        # Cameras sharpen what they have shrunk.
        small = small * np.float32(1.7) - cv2.GaussianBlur(small, (0, 0), 1.0) * np.float32(0.7)
    if rng.random() < 0.5:
        enlarged = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        return enlarged.astype(np.float32, copy=False)
    return small.astype(np.float32, copy=False)


def carbon(picture: Picture, rng: np.random.Generator) -> Picture:
    """Soften a typed line as a carbon copy does, and smear a little of it over the paper."""
    height, width = picture.shape[:2]
    soft = cv2.GaussianBlur(picture, (0, 0), height * rng.uniform(0.012, 0.035))
    wide = cv2.blur(picture, (max(3, height // 3) | 1, max(3, height // 5) | 1))
    mixed = soft + (wide - soft) * np.float32(rng.uniform(0.05, 0.3))
    dirt = smooth_noise(rng, height, width, max(1, height // 16)) * np.float32(rng.uniform(2, 10))
    mixed = mixed + (dirt if mixed.ndim == 2 else dirt[:, :, np.newaxis])
    return mixed.astype(np.float32, copy=False)


def bleed_through(picture: Picture, rng: np.random.Generator) -> Picture:
    """Let the print of the other side shine through: mirrored, faint, blurred."""
    height = picture.shape[0]
    behind = picture[:, ::-1]
    behind = np.roll(behind, int(height * rng.uniform(0.2, 0.8)), axis=0)
    sigma = max(0.7, height * rng.uniform(0.02, 0.05))
    behind = cv2.GaussianBlur(behind, (0, 0), sigma).astype(np.float32, copy=False)
    paper = np.float32(np.percentile(behind, 90))
    shade = np.float32(rng.uniform(0.08, 0.3)) * np.minimum(behind - paper, 0)
    return (picture + shade).astype(np.float32, copy=False)
