"""Texts against their labels: exact lines, character errors, and what confidence is worth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runtime.recognition.scores import TextScores, edit_distance

NUM_BINS = 10
_Z_95 = 1.959964
"""Standard deviations that hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class Reading:
    """One labelled line as it was read.

    Args:
        path: of the image.
        label: what stands in it.
        text: what was read.
        confidence: 0 .. 1.
        error: why nothing was read, None if something was.
    """

    path: str
    label: str
    text: str
    confidence: float
    error: str | None = None

    @property
    def is_exact(self) -> bool:
        """Tell whether every character is right, case and spaces counted."""
        return self.text == self.label

    @property
    def num_errors(self) -> int:
        """Characters to insert, leave out or replace."""
        return edit_distance(self.text, self.label)


@dataclass
class Scores(TextScores):
    """Count lines in the ways that papers do besides.

    Args:
        any_case: lines read right but for case.
        letters_and_digits: lines whose letters and digits are right, case aside: the measure of
            scene-text papers.
        unread: lines that gave an error instead of a text; they count as read empty.
    """

    any_case: int = 0
    letters_and_digits: int = 0
    unread: int = 0

    def add_reading(self, reading: Reading) -> None:
        """Count one line."""
        self.add(reading.text, reading.label)
        self.any_case += reading.text.casefold() == reading.label.casefold()
        self.letters_and_digits += _alphanumeric(reading.text) == _alphanumeric(reading.label)
        self.unread += reading.error is not None

    def as_json(self) -> dict[str, Any]:
        """Return the figures, and the 95 % interval of the share of exact lines."""
        return {
            "lines": self.num_read,
            "exact": self.num_exact,
            "any_case": self.any_case,
            "letters_and_digits": self.letters_and_digits,
            "character_errors": self.character_error_rate,
            "unread": self.unread,
            "exact_interval": list(wilson_interval(self.num_exact, self.num_read)),
        }


def scores_of(readings: Iterable[Reading]) -> Scores:
    """Return all scores of some lines."""
    scores = Scores()
    for reading in readings:
        scores.add_reading(reading)
    return scores


def wilson_interval(right: int, number: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share, `right` of `number`.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if not number:
        return 0.0, 1.0
    share, z2 = right / number, _Z_95**2
    middle = (share + z2 / (2 * number)) / (1 + z2 / number)
    spread = math.sqrt(share * (1 - share) / number + z2 / (4 * number**2))
    half = _Z_95 / (1 + z2 / number) * spread
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Bin:
    """Lines of about the same confidence.

    Args:
        low, high: bounds of the confidence, the upper one belongs to it.
        lines: how many.
        confidence: their mean confidence; 0 without lines.
        exact: the share of them read exactly; 0 without lines.
    """

    low: float
    high: float
    lines: int
    confidence: float
    exact: float


@dataclass(frozen=True)
class Calibration:
    """Whether confidence tells how often a line is right.

    Args:
        bins: of equal width, from 0 to 1.
        expected_error: mean distance of confidence and share of exact lines, weighted by lines
            (ECE). Source: Guo et al. 2017, "On calibration of modern neural networks".
        at_90_percent: the share of lines, the most confident first, that can be taken with 90 %
            of them exact.
    """

    bins: tuple[Bin, ...]
    expected_error: float
    at_90_percent: float

    def as_json(self) -> dict[str, Any]:
        """Return the figures."""
        return asdict(self)


def calibration_of(readings: Sequence[Reading], num_bins: int = NUM_BINS) -> Calibration:
    """Compare confidence with exactness; a line that could not be read has confidence 0."""
    groups: list[list[Reading]] = [[] for _ in range(num_bins)]
    for reading in readings:
        groups[min(num_bins - 1, max(0, math.ceil(reading.confidence * num_bins) - 1))].append(
            reading
        )
    bins = tuple(
        Bin(
            low=index / num_bins,
            high=(index + 1) / num_bins,
            lines=len(group),
            confidence=sum(reading.confidence for reading in group) / max(1, len(group)),
            exact=sum(reading.is_exact for reading in group) / max(1, len(group)),
        )
        for index, group in enumerate(groups)
    )
    distance = sum(group.lines * abs(group.confidence - group.exact) for group in bins)
    best, right = 0, 0
    for number, reading in enumerate(
        sorted(readings, key=lambda reading: -reading.confidence), start=1
    ):
        right += reading.is_exact
        if right >= 0.9 * number:
            best = number
    number = max(1, len(readings))
    return Calibration(bins, distance / number, best / number)


def worst(readings: Sequence[Reading], number: int) -> list[Reading]:
    """Return the lines with most errors per character, the most confident of equals first."""
    wrong = [reading for reading in readings if not reading.is_exact]
    return sorted(
        wrong,
        key=lambda reading: (-reading.num_errors / max(1, len(reading.label)), -reading.confidence),
    )[:number]


def _alphanumeric(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
