"""Tells fonts that draw capitals in the place of small letters."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFont

TWO_SHAPES = "abdeghnqrt"
"""Small letters that have another shape than their capitals, in print and in writing."""
ALIKE = 0.72
FEWEST_PAIRS = 5


def has_capitals_only(probe: ImageFont.FreeTypeFont, drawn: set[str]) -> bool:
    """Tell whether a font draws capitals in the place of small letters.

    A label in small letters would be wrong for its picture. Fonts of small capitals are told by
    their names: their strokes differ.
    """
    pairs = [letter for letter in TWO_SHAPES if letter in drawn and letter.upper() in drawn]
    alike = sum(
        _overlap(_shape(probe, letter), _shape(probe, letter.upper())) > ALIKE for letter in pairs
    )
    return len(pairs) >= FEWEST_PAIRS and 2 * alike > len(pairs)


def _shape(probe: ImageFont.FreeTypeFont, letter: str) -> Image.Image:
    """Draw a letter without margins at a size of its own: 16 x 16 grey."""
    mask = probe.getmask(letter)
    picture = Image.frombytes("L", mask.size, bytes(mask))
    return picture.crop(picture.getbbox()).resize((16, 16), Image.Resampling.BOX)


def _overlap(first: Image.Image, second: Image.Image) -> float:
    """Return the ink two pictures share, by all their ink: 0 .. 1."""
    arrays = [np.asarray(picture, np.float32) for picture in (first, second)]
    return float(np.minimum(*arrays).sum() / max(1.0, np.maximum(*arrays).sum()))
