"""What becomes of a line's ink before it is painted: bent, hollow, of dots, struck by types."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.data.synthetic.fonts import load_font
from training.data.synthetic.layout import Layout, Mask, flat_corners
from training.data.synthetic.scene import noise, smooth_noise

STEEPEST_BEND = 0.9
"""Of an arc's ends, rise by run: letters lean by 40 degrees there."""


def bend(mask: Mask, rise: float) -> Mask:
    """Lay a level line on an arc.

    Args:
        mask: uint8 [h, w].
        rise: of the middle above the ends, in heights of the line; negative: below.

    Returns:
        uint8 [h, w'], the whole arc shrunk to the height of the line.
    """
    height, width = mask.shape
    rise = math.copysign(min(abs(rise), STEEPEST_BEND * width / (4 * height)), rise)
    sag = abs(rise) * height
    if sag < 1:
        return mask
    # The arc's circle: radius from the chord and the sagitta.
    radius = (width * width / 4 + sag * sag) / (2 * sag)
    half_angle = math.asin(min(1.0, width / 2 / radius))
    bent_height = height + math.ceil(radius * (1 - math.cos(half_angle)))
    outer = radius + height
    bent_width = math.ceil(2 * outer * math.sin(half_angle))
    scale = height / bent_height
    size = (max(1, round(bent_width * scale)), height)
    columns = (np.arange(size[0], dtype=np.float32) + 0.5) / scale - bent_width / 2
    rows = (np.arange(size[1], dtype=np.float32) + 0.5) / scale
    # Distance from the centre, which lies `outer` below the top of the arc.
    down = np.float32(outer) - rows[:, np.newaxis]
    angle = np.arctan2(columns, down)
    distance = np.hypot(columns, down)
    map_x = (angle / half_angle + 1) * np.float32(width / 2) - np.float32(0.5)
    map_y = np.float32(outer) - distance - np.float32(0.5)
    if rise < 0:
        map_y = map_y[::-1]
        mask = mask
        map_x = map_x[::-1]
        map_y = np.float32(height - 1) - map_y
    bent = cv2.remap(mask, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR)
    return bent.astype(np.uint8, copy=False)


def hollow(mask: Mask, rng: np.random.Generator) -> Mask:
    """Leave the contour of the letters alone."""
    height = mask.shape[0]
    thickness = max(1, round(height * rng.uniform(0.02, 0.06)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thickness + 1, 2 * thickness + 1))
    return cv2.subtract(cv2.dilate(mask, kernel), mask).astype(np.uint8, copy=False)


def thicken(mask: Mask, rng: np.random.Generator) -> Mask:
    """Draw the letters with a thick pen."""
    side = 2 * max(1, round(mask.shape[0] * rng.uniform(0.015, 0.04))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(mask, kernel).astype(np.uint8, copy=False)


def dot(mask: Mask, rng: np.random.Generator) -> Mask:
    """Make the ink of dots in a square grid, as lamps and needle printers do."""
    height = mask.shape[0]
    pitch = max(3.0, height / rng.uniform(9, 18))
    rows = max(4, round(height / pitch))
    columns = max(2, round(mask.shape[1] * rows / height))
    coarse = cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA)
    lamps = np.clip((coarse.astype(np.float32) - 60) * 2.2, 0, 255).astype(np.uint8)
    size = (mask.shape[1], height)
    spread = cv2.resize(lamps, size, interpolation=cv2.INTER_NEAREST)
    y = np.cos(
        (np.arange(height, dtype=np.float32) + 0.5) * np.float32(2 * math.pi * rows / height)
    )
    x = np.cos(
        (np.arange(size[0], dtype=np.float32) + 0.5) * np.float32(2 * math.pi * columns / size[0])
    )
    # Minus the cosine is largest in the middle of a cell.
    cell = np.clip(0.75 - 0.45 * (y[:, np.newaxis] + x), 0, 1)
    return (spread * cell).astype(np.uint8)


def roughen(mask: Mask, rng: np.random.Generator) -> Mask:
    """Let ink run into the paper, or fail to reach it: uneven edges, thin strokes broken."""
    height, width = mask.shape
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, height * rng.uniform(0.008, 0.02)))
    wave = smooth_noise(rng, height, width, int(rng.integers(1, 4)))
    level = soft.astype(np.float32) + wave * np.float32(rng.uniform(15, 45))
    middle = np.float32(rng.uniform(80, 150))
    return np.clip((level - middle) * 3 + 127, 0, 255).astype(np.uint8)


def draw_typed(
    text: str, layout: Layout, size_px: int, rng: np.random.Generator
) -> tuple[Mask, NDArray[np.float64]]:
    """Draw a text as a worn typewriter does, letter by letter, on a level baseline.

    Letters stand off the line and press unevenly, some at their top or bottom only; some were
    struck twice.

    Returns:
        The ink, uint8 [h, w], and the corners of the text's box in it, float64 [4, 2].
    """
    font = load_font(layout.face.path, layout.face.index, size_px, False)
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    margin = size_px // 2
    origin = (margin - int(left), margin - int(top))
    tracking_px = layout.tracking_em * size_px
    ink_right = right + tracking_px * (len(text) - 1)
    width = math.ceil(ink_right - left + max(0.0, tracking_px)) + 2 * margin
    height = math.ceil(bottom - top) + 2 * margin
    image = Image.new("L", (width, height))
    pen = ImageDraw.Draw(image)
    unevenness = rng.uniform(0.1, 0.6)
    off_px = rng.uniform(0.0, 0.07) * size_px
    # A letter that sits too high does so each time.
    habits = {character: float(rng.normal()) for character in sorted(set(text))}
    shades = 255 * (1 - unevenness * rng.random(len(text)) ** 2)
    for position, character in enumerate(text):
        if character == " ":
            continue
        advance = font.getlength(text[:position]) + tracking_px * position
        y = origin[1] + 0.7 * habits[character] * off_px + 0.3 * rng.normal() * off_px
        at = (round(origin[0] + advance + 0.2 * rng.normal() * off_px), round(y))
        pen.text(at, character, fill=round(shades[position]), font=font, anchor="ls")
        if rng.random() < 0.01:
            pen.text((at[0] + 1, at[1] + 1), character, fill=255, font=font, anchor="ls")
    ink = np.asarray(image)
    if rng.random() < 0.4:
        ink = _press(ink, rng, size_px)
    if rng.random() < 0.5:
        weave = noise(rng, height, width) * np.float32(rng.uniform(0.1, 0.35))
        ink = (ink * np.clip(0.95 + weave, 0.2, 1)).astype(np.uint8)
    return ink, flat_corners((left, top, ink_right, bottom), layout, size_px) + origin


def _press(ink: Mask, rng: np.random.Generator, size_px: int) -> Mask:
    """Fade the upper or the lower part of letters here and there."""
    height, width = ink.shape
    waves = smooth_noise(rng, 2, max(2, round(1.7 * width / size_px)), 1)
    slope = cv2.resize(waves, (width, height), interpolation=cv2.INTER_LINEAR)
    return (ink * np.clip(0.9 + 0.35 * slope, 0.3, 1)).astype(np.uint8)
