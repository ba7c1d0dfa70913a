"""Changes of brightness, contrast, saturation and hue.

Source: PaddleOCR `ColorJitter`, with the arithmetic of `paddle.vision.transforms`, which it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.sample import Draw, Image, Sample

_CONTRAST_MIDDLE = 74
_LARGEST_HUE = 0.5


class ColorJitter:
    """Changes brightness, contrast, saturation and hue in a random order.

    Args:
        brightness, contrast, saturation: a factor up to 1 minus or plus this is drawn. For the
            saturation the factor is drawn twice, as in paddle: what is drawn first is the reach
            around 1 of the second.
        hue: a shift up to this either way is drawn, as a share of the circle, at most 0.5.

    Source: PaddleOCR `ColorJitter`.
    """

    def __init__(
        self,
        brightness: float = 0,
        contrast: float = 0,
        saturation: float = 0,
        hue: float = 0,
    ) -> None:
        reaches: list[tuple[Callable[[Image, float, np.random.Generator], Image], float]] = [
            (_brightened, brightness),
            (_contrasted, contrast),
            (_saturated, saturation),
            (_hued, hue),
        ]
        self.steps = [(step, reach) for step, reach in reaches if reach]

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report reaches that are negative, and a hue beyond half the circle."""
        return [
            (name, f"expected a number from 0{' to 0.5' if name == 'hue' else ''}, got {reach}")
            for name, reach in options.items()
            if reach < 0 or (name == "hue" and reach > _LARGEST_HUE)
        ]

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Change a decoded sample."""
        steps = list(self.steps)
        draw.rng.shuffle(steps)
        for step, reach in steps:
            sample.image = step(sample.image, reach, draw.rng)
        return sample


def _factor(reach: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(max(0.0, 1 - reach), 1 + reach))


def _brightened(image: Image, reach: float, rng: np.random.Generator) -> Image:
    return _mapped(image, np.arange(256) * _factor(reach, rng))


def _contrasted(image: Image, reach: float, rng: np.random.Generator) -> Image:
    levels = np.arange(256) - _CONTRAST_MIDDLE
    return _mapped(image, levels * _factor(reach, rng) + _CONTRAST_MIDDLE)


def _mapped(image: Image, levels: NDArray[np.floating[Any]]) -> Image:
    table = levels.clip(0, 255).astype(np.uint8)
    return cv2.LUT(image, table).astype(np.uint8, copy=False)


def _saturated(image: Image, reach: float, rng: np.random.Generator) -> Image:
    factor = _factor(_factor(reach, rng), rng)
    colours = image.astype(np.float32)
    grey = cv2.cvtColor(colours, cv2.COLOR_BGR2GRAY)[..., np.newaxis]
    return (colours * factor + grey * (1 - factor)).clip(0, 255).astype(np.uint8)


def _hued(image: Image, reach: float, rng: np.random.Generator) -> Image:
    shift = int(rng.uniform(-reach, reach) * 255)
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)
    hsv[..., 0] = (hsv[..., 0].astype(np.int32) + shift) % 256
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR_FULL).astype(np.uint8, copy=False)
