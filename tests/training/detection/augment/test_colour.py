"""Colours change as paddle changes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.training.detection.pages import draw, page
from training.data.sample import Draw, Sample
from training.detection.augment.colour import ColorJitter


class Highest:
    """Draws the greatest number of every range, and leaves orders as they are."""

    def uniform(self, low: float, high: float) -> float:
        return high

    def shuffle(self, values: list[Any]) -> None:
        pass


def jittered(levels: list[int], **options: float) -> list[int]:
    rng: Any = Highest()
    sample = Sample(np.array([[levels]], dtype=np.uint8), "", "")
    result: list[int] = (
        ColorJitter(**options)(sample, Draw(rng, lambda: sample)).image[0, 0].tolist()
    )
    return result


def test_levels_are_paddles() -> None:
    assert jittered([10, 100, 250], brightness=0.4) == [14, 140, 255]
    assert jittered([10, 74, 250], contrast=0.4) == [0, 74, 255]
    # Grey is 0.114 B + 0.587 G + 0.299 R = 97.3; 1 + (1 + 0.5) times as far from it.
    assert jittered([50, 100, 110], saturation=0.5) == [0, 104, 129]
    assert jittered([0, 0, 255], hue=0.5) == [252, 255, 0]
    assert jittered([10, 20, 30]) == [10, 20, 30]


@pytest.mark.parametrize("seed", range(3))
def test_a_page_keeps_its_shape(seed: int) -> None:
    jitter = ColorJitter(0.4, 0.4, 0.7, 0.1)
    image = jitter(page(), draw(seed)).image
    assert image.shape == (240, 320, 3) and image.dtype == np.uint8
    assert not np.array_equal(image, page().image)
    assert np.array_equal(image, jitter(page(), draw(seed)).image)


def test_impossible_reaches_are_named() -> None:
    assert ColorJitter.problems_of({"brightness": -1, "hue": 0.6, "contrast": 3}) == [
        ("brightness", "expected a number from 0, got -1"),
        ("hue", "expected a number from 0 to 0.5, got 0.6"),
    ]
