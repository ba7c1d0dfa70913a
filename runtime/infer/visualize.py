"""Draws each image with its result, as the task does, for people to look through."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from runtime.errors import ArtifactError, ImageError
from runtime.files import write_atomically
from runtime.images.read import ImageSource, read_image
from runtime.infer.task import Result

if TYPE_CHECKING:
    from runtime.infer.task import Draw

_DRAWING = re.compile(r"([0-9]{6,12})_.*\.png")
_EMPTY_WIDTH_PX = 240


class Visualizer:
    """Draws images with their results as PNG files in a folder.

    Args:
        folder: created if it is missing.
        draw: draws a result on its image.
        max_pixels: as `read_image`.
        goes_on: whether to continue the numbers of the drawings that are there already.

    Raises:
        ArtifactError: if the folder cannot be made.
    """

    def __init__(
        self, folder: str | Path, draw: Draw, max_pixels: int, goes_on: bool = False
    ) -> None:
        self._draw_on = draw
        self._folder = Path(folder)
        self._max_pixels = max_pixels
        self._num_drawn = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtifactError(
                f"cannot make the folder {folder}: {error.strerror}; check --visualize"
            ) from error
        if goes_on:
            drawn = (_DRAWING.match(name) for name in os.listdir(self._folder))
            self._num_drawn = max((int(found[1]) for found in drawn if found), default=0)

    def draw(self, source: ImageSource, result: Result) -> None:
        """Draw a result; for an image that could not be read only the reason is drawn.

        Raises:
            ArtifactError: if the drawing cannot be written.
        """
        self._num_drawn += 1
        place = self._folder / f"{self._num_drawn:06}_{_stem(result.source)}.png"
        try:
            image = read_image(source, self._max_pixels)
        except (ImageError, MemoryError, cv2.error):
            image = np.full((1, _EMPTY_WIDTH_PX, 3), 255, dtype=np.uint8)
        data = cv2.imencode(".png", self._draw_on(image, result))[1]
        try:
            write_atomically(place, data.tobytes())
        except OSError as error:
            raise ArtifactError(f"cannot write {place}: {error.strerror}; make room") from error


def _stem(source: str | None) -> str:
    """Return a file name that resembles the source's and is valid on every system."""
    stem = re.sub(r"[^\w.-]+", "_", os.path.basename(source or "image"), flags=re.ASCII)
    return stem[-80:]
