"""Reads the lines that were found in a page, each from the side on which it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from runtime.detection.preprocess import Image
from runtime.pages.crops import Corners, Crop, cut_out
from runtime.pages.orientation import (
    TURNED,
    in_reading_order,
    is_along,
    is_doubtful,
    is_upside_down,
    reads_better,
    skew,
    trial_order,
    upside_down,
)
from runtime.pages.result import PageLine
from runtime.pages.scale import Outline
from runtime.pages.spaces import with_spaces
from runtime.pages.words import points_of, words_of
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.result import Recognition
from runtime.shared_work import Apply


class ReadLine(NamedTuple):
    """A line and what was read.

    Args:
        corners: in reading order, float64 [4, 2].
        crop: as it was read.
        reading: of the crop.
    """

    corners: Corners
    crop: Crop
    reading: Recognition


class ReadLines(NamedTuple):
    """The lines of a page.

    Args:
        lines: in the order of the outlines.
        direction: in which the text runs, in degrees clockwise from the right.
        warnings: of what may have impaired the text.
    """

    lines: list[PageLine]
    direction: float
    warnings: tuple[str, ...] = ()


class LineReader:
    """Reads the lines of one page.

    Args:
        page: BGR uint8 [h, w, 3].
        recognizer: reads.
        apply: cuts and reads what may be at once.
        min_confidence: a line that was read less surely is unsure.
    """

    def __init__(
        self, page: Image, recognizer: Recognizer, apply: Apply, min_confidence: float
    ) -> None:
        self._page, self._recognizer, self._apply = page, recognizer, apply
        self._min_confidence = min_confidence
        self._read_already: dict[bytes, ReadLine] = {}

    def __call__(self, outlines: Sequence[Outline], direction: float) -> ReadLines:
        """Read lines.

        Args:
            outlines: of the lines.
            direction: in which the text runs, about, or the opposite one.
        """
        if not outlines:
            return ReadLines([], direction)
        direction += skew([outline.corners for outline in outlines], direction)
        height = float(np.median([outline.sides[1] for outline in outlines]))
        corners = [in_reading_order(outline.corners, direction, height) for outline in outlines]
        if self._is_upside_down(corners, outlines, direction):
            direction += TURNED
            corners = [upside_down(quad) for quad in corners]
        upright = self._read(corners)
        chosen = self._better_turned(upright)
        lines = [
            self._page_line(
                line, outline, line is not before and is_along(before.corners, direction)
            )
            for line, before, outline in zip(chosen, upright, outlines, strict=True)
        ]
        return ReadLines(lines, direction, _warnings(chosen))

    def _is_upside_down(
        self, corners: Sequence[Corners], outlines: Sequence[Outline], direction: float
    ) -> bool:
        """Decide by a few lines whether the page stands upside down."""
        lying = [place for place, quad in enumerate(corners) if is_along(quad, direction)]
        tried = trial_order(
            [corners[place] for place in lying], [outlines[place].score for place in lying]
        )

        def read(place: int, is_turned: bool) -> Recognition:
            quad = corners[lying[place]]
            return self._read([upside_down(quad) if is_turned else quad])[0].reading

        return is_upside_down(tried, read)

    def _better_turned(self, lines: Sequence[ReadLine]) -> list[ReadLine]:
        """Read lines that were read with doubt the other way round, and keep the better way."""
        chosen = list(lines)
        doubtful = [place for place, line in enumerate(lines) if is_doubtful(line.reading)]
        turned = self._read([upside_down(lines[place].corners) for place in doubtful])
        for place, line in zip(doubtful, turned, strict=True):
            if reads_better(line.reading, lines[place].reading):
                chosen[place] = line
        return chosen

    def _read(self, corners: Sequence[Corners]) -> list[ReadLine]:
        """Cut lines out and read them; what was read already is not read again."""
        known = self._read_already
        keys = [quad.tobytes() for quad in corners]
        missing = {key: quad for key, quad in zip(keys, corners, strict=True) if key not in known}
        spec = self._recognizer.spec
        crops = self._apply(lambda quad: cut_out(self._page, quad, spec), list(missing.values()))
        readings = self._recognizer.read_here([crop.pixels for crop in crops], self._apply)
        for (key, quad), crop, reading in zip(missing.items(), crops, readings, strict=True):
            known[key] = ReadLine(quad, crop, reading)
        return [known[key] for key in keys]

    def _page_line(self, line: ReadLine, outline: Outline, is_turned: bool) -> PageLine:
        gray = cv2.cvtColor(line.crop.pixels, cv2.COLOR_BGR2GRAY)
        reading = with_spaces(line.reading, gray.astype(np.uint8, copy=False))
        points = line.corners if len(outline.points) == 4 else outline.points
        return PageLine(
            reading.text,
            reading.confidence,
            points_of(points),
            outline.score,
            words_of(reading, line.crop.to_page),
            is_unsure=reading.confidence < self._min_confidence,
            is_turned=is_turned,
        )


def _warnings(lines: Sequence[ReadLine]) -> tuple[str, ...]:
    """Warn of lines that are too long, and of those that could not be read at all."""
    squeezed = sum(line.crop.is_squeezed for line in lines)
    errors = [line.reading.error for line in lines if line.reading.error is not None]
    warnings = []
    if squeezed:
        warnings.append(
            f"squeezed: {squeezed} of {len(lines)} lines are longer than the model takes"
        )
    if errors:
        warnings.append(f"{len(errors)} of {len(lines)} lines could not be read: {errors[0]}")
    return tuple(warnings)
