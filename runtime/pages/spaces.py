"""Spaces that a recogniser dropped, told from the gaps between its characters."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.recognition.result import Recognition

_SPACED = re.compile(
    "[\\u0000-\\u0588\\u1e00-\\u1fff\\u2000-\\u200a\\u2010-\\u205e\\u2070-\\u214f]*"
)
"""Latin, Greek, Cyrillic and Armenian letters, and what stands among them: no other scripts."""
_EDGE = 1 / 12
"""Part of the height above and below where neighbouring lines show."""
_LEAST_CONTRAST = 25
_BLANK = 0.35
"""Part of the contrast between blank columns and inked ones."""


class _Rule(NamedTuple):
    """When a gap between two characters is a space.

    Of lines that two recognisers read right but for spaces, 156 of 283 lost spaces satisfy all
    that is asked here, and one of 72,983 other gaps; `benchmarks.pages.spaces` tells what it is
    worth.

    Args:
        wider: than the line's usual gap, in heights of the line.
        usual, wide: parts of the usual distance of characters, and of the gap, that their distance
            comes to at least. It does not where a gap lies within a character.
    """

    wider: float
    usual: float
    wide: float


_BETWEEN_LETTERS = _Rule(0.3, 1.2, 0.3)
_BESIDE_SIGNS = _Rule(0.25, 0.8, 0.5)
_RULES = np.array([_BESIDE_SIGNS, _BETWEEN_LETTERS]).T
_LIKE_WIDE_ONES = 1.5
"""Times the gap that a fifth of a line's exceed: a line set wide has no wider spaces."""
_LIKE_SPACES = 0.7
"""Part of the usual width of the spaces that were read."""


def with_spaces(reading: Recognition, gray: NDArray[np.uint8]) -> Recognition:
    """Put spaces where characters stand apart as words do, and none where that is unsure.

    Args:
        reading: of a line; one with other than Latin, Greek, Cyrillic or Armenian letters is
            returned as it is, and so is one without time steps.
        gray: the image of the line as it was read, uint8 [h, w].

    Returns:
        the same object where nothing is to be put. A space has the line's confidence, and a time
        step between its neighbours.
    """
    if len(reading.characters) < 2 or not _SPACED.fullmatch(reading.text):
        return reading
    places = np.array([p for p, c in enumerate(reading.characters) if c != " "], dtype=np.intp)
    first = np.array(reading.time_steps, dtype=np.float64)
    last = np.array(reading.last_time_steps or reading.time_steps, dtype=np.float64)
    if len(places) < 2 or len(first) != len(reading.characters) or (np.diff(first) <= 0).any():
        return reading
    px_per_step = reading.input_width_px / max(1, reading.num_time_steps)
    px_per_step *= gray.shape[1] / max(1, reading.content_width_px)
    centres = (first + last + 1)[places] / 2 * px_per_step
    gaps = _gaps_between(centres, gray)
    if gaps is None:
        return reading
    has_space = np.diff(places) > 1
    has_room = first[places][1:] - last[places][:-1] > 1
    is_space = has_room & _are_spaces(
        reading, places, np.diff(centres), gaps, has_space, gray.shape[0]
    )
    befores = places[1:][is_space].tolist()
    return _with_spaces_before(reading, befores) if befores else reading


def _are_spaces(
    reading: Recognition,
    places: NDArray[np.intp],
    distances: NDArray[np.float64],
    gaps: NDArray[np.float64],
    has_space: NDArray[np.bool_],
    height: int,
) -> NDArray[np.bool_]:
    """Tell of each pair of neighbours whether a space was lost between them.

    Args:
        reading: of the line.
        places: of its characters other than spaces, [M].
        distances, gaps: between the middles and the sides of each with its next, [M - 1], in px.
        has_space: whether a space was read there.
        height: of the line, in px.
    """
    within = gaps[~has_space]
    if not len(within):
        return np.zeros(len(gaps), dtype=np.bool_)
    within.sort()
    usual_gap, wide_gap = within[len(within) // 2], within[4 * (len(within) - 1) // 5]
    usual_distance = np.sort(distances[~has_space])[len(within) // 2]
    spaces = np.sort(gaps[has_space])
    usual_space = spaces[len(spaces) // 2] if len(spaces) else 0.0
    characters = [reading.characters[place] for place in places.tolist()]
    is_letter = np.array([character.isalnum() for character in characters])
    between_letters = is_letter[1:] & is_letter[:-1]
    # Points that stand apart are an ellipsis.
    is_repeated = np.array([a == b for a, b in pairwise(characters)]) & ~between_letters
    least, usual, wide = _RULES[:, between_letters.astype(np.intp)]
    is_space: NDArray[np.bool_] = (
        ~(has_space | is_repeated)
        & (gaps - usual_gap >= least * height)
        & (distances >= usual * usual_distance + wide * gaps)
        & (gaps >= max(_LIKE_WIDE_ONES * wide_gap, _LIKE_SPACES * usual_space))
    )
    return is_space


def _gaps_between(
    centres: NDArray[np.float64], gray: NDArray[np.uint8]
) -> NDArray[np.float64] | None:
    """Return the widest blank between each character and its next, in px.

    Args:
        centres: x of each character, ascending.
        gray: uint8 [h, w].

    Returns:
        None where ink cannot be told from what it is on.
    """
    height, width = gray.shape
    edge = max(1, int(height * _EDGE)) if height > 6 else 0
    middle = gray[edge : height - edge]
    if width < 2 or not middle.size:
        return None
    contrast = middle.max(axis=0).astype(np.int16) - middle.min(axis=0)
    ascending = np.sort(contrast)
    low, high = float(ascending[width // 10]), float(ascending[3 * width // 4])
    if high - low < _LEAST_CONTRAST:
        return None
    is_blank = contrast < low + _BLANK * (high - low)
    changes = np.flatnonzero(is_blank[1:] != is_blank[:-1]) + 1
    # What reaches the left or right side of the image is a margin and no gap.
    begins = changes[int(is_blank[0]) :: 2]
    ends = changes[int(is_blank[0]) + 1 :: 2]
    begins = begins[: len(ends)]
    between = np.searchsorted(centres, (begins + ends) / 2) - 1
    is_within = (between >= 0) & (between < len(centres) - 1)
    gaps = np.zeros(len(centres) - 1)
    np.maximum.at(gaps, between[is_within], (ends - begins)[is_within].astype(np.float64))
    return gaps


def _with_spaces_before(reading: Recognition, befores: list[int]) -> Recognition:
    """Put a space before each of some characters."""
    characters = list(reading.characters)
    confidences = list(reading.character_confidences)
    first = list(reading.time_steps)
    last = list(reading.last_time_steps)
    for place in reversed(befores):
        left = last[place - 1] if last else first[place - 1]
        step = (left + first[place]) // 2
        characters.insert(place, " ")
        confidences.insert(place, reading.confidence)
        first.insert(place, step)
        if last:
            last.insert(place, step)
    return replace(
        reading,
        text="".join(characters),
        characters=tuple(characters),
        character_confidences=tuple(confidences),
        time_steps=tuple(first),
        last_time_steps=tuple(last),
    )
