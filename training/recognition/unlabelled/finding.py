"""The lines of an image: the image itself, or those that a detector finds on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from runtime.detection.detector import Detector
from runtime.pages.crops import Corners, cut_out
from runtime.pages.finding import find_lines
from runtime.pages.orientation import (
    in_reading_order,
    is_along,
    is_upside_down,
    skew,
    trial_order,
    upside_down,
)
from runtime.pages.scale import Outline
from runtime.recognition.result import Recognition
from runtime.shared_work import one_after_another
from training.recognition.teacher.line_teacher import LineTeacher
from training.recognition.unlabelled.judging import recognition_of
from training.recognition.unlabelled.views import Image


class FoundLine(NamedTuple):
    """A line of a page.

    Args:
        pixels: BGR uint8 [H, w, 3], as high as the teacher reads it.
        is_squeezed: whether it is longer than the teacher takes.
    """

    pixels: Image
    is_squeezed: bool


def lines_of_page(page: Image, detector: Detector, teacher: LineTeacher) -> Iterator[FoundLine]:
    """Find the lines of a page and cut them out one after the other, the right way up.

    Args:
        page: BGR uint8 [h, w, 3].
        detector: finds the lines.
        teacher: tells which way is up by reading a few of them, and how high lines are.

    Raises:
        EngineError: of a model.
    """
    outlines, direction = find_lines(page, detector, one_after_another)
    if not outlines:
        return
    spec = teacher.spec
    for corners in _upright(page, outlines, direction, teacher):
        crop = cut_out(page, corners, spec)
        yield FoundLine(crop.pixels, crop.is_squeezed)


def _upright(
    page: Image, outlines: Sequence[Outline], direction: float, teacher: LineTeacher
) -> list[Corners]:
    """Return the corners of lines, float64 [4, 2] each, from where their text begins above."""
    direction += skew([outline.corners for outline in outlines], direction)
    height = float(np.median([outline.sides[1] for outline in outlines]))
    corners = [in_reading_order(outline.corners, direction, height) for outline in outlines]
    lying = [place for place, quad in enumerate(corners) if is_along(quad, direction)]
    tried = trial_order(
        [corners[place] for place in lying], [outlines[place].score for place in lying]
    )

    def read(place: int, is_turned: bool) -> Recognition:
        quad = corners[lying[place]]
        crop = cut_out(page, upside_down(quad) if is_turned else quad, teacher.spec)
        (reading,) = teacher.read([crop.pixels])
        return recognition_of(reading, teacher.counterparts.characters)

    if is_upside_down(tried, read):
        return [upside_down(quad) for quad in corners]
    return corners
