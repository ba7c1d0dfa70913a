"""Pages of coloured texts, on which it shows whether polygons follow the image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.sample import Draw, Sample

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255))


def page(
    height: int = 240, width: int = 320, ignored: tuple[int, ...] = (), seed: int = 0
) -> Sample:
    """Return a grey page with five filled quadrangles; the text of each is its number."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 60, dtype=np.uint8)
    polys = []
    for number, colour in enumerate(COLOURS):
        centre = (width * rng.uniform(0.3, 0.7), height * (number + 0.5) / len(COLOURS))
        sides = (width * rng.uniform(0.25, 0.4), height * 0.09)
        polys.append(corners := quad(centre, sides, rng.uniform(-4, 4)))
        cv2.fillPoly(image, [np.round(corners).astype(np.int32)], colour)
    tags = np.array([number in ignored for number in range(len(polys))])
    values: dict[str, Any] = {
        "polys": np.array(polys, dtype=np.float32),
        "texts": [str(number) for number in range(len(polys))],
        "ignore_tags": tags,
    }
    return Sample(image, "", "page", values)


def quad(
    centre: tuple[float, float], sides: tuple[float, float], degrees: float
) -> NDArray[np.float32]:
    """Return the corners of a rotated rectangle, clockwise from the upper left, [4, 2]."""
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * sides
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (corners @ turn.T + centre).astype(np.float32)


def draw(seed: int = 0, epoch: int = 0, other: Sample | None = None) -> Draw:
    """Return what a transform may draw on."""

    def other_sample() -> Sample:
        assert other is not None
        return other

    return Draw(np.random.default_rng(seed), other_sample, epoch=epoch)


def colours_at_centres(sample: Sample) -> list[tuple[int, bool]]:
    """Return the number of each text, and whether its colour is at the middle of its polygon.

    A text that only touches a crop is kept with its middle outside, where all is black.
    """
    found = []
    height, width = sample.image.shape[:2]
    for polygon, text in zip(sample.values["polys"], sample.values["texts"], strict=True):
        x, y = np.round(polygon.mean(axis=0)).astype(int)
        if 0 <= x < width and 0 <= y < height:
            level = sample.image[y, x].astype(int)
            if level.max() == 0:
                continue
            found.append((int(text), bool(np.abs(level - COLOURS[int(text)]).max() < 40)))
    return found
