"""Locates the characters and words of a line in its image by the time steps of the network.

A time step corresponds to a column of the input, so a character's column is known, but not its
extent: a box reaches half-way to the neighbours. The grouping into words is PaddleOCR's
(`get_word_info`), extended from ASCII and ideographs to the letters of every script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

IDEOGRAPHS, LETTERS = "cn", "en&num"  # PaddleOCR's names

_IDEOGRAPH = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


class Box(NamedTuple):
    """An axis-aligned rectangle in px of the image, as it is after its orientation is applied."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Word:
    """A run of letters and digits, or of ideographs and kana; other characters belong to no word.

    Args:
        text: the word.
        kind: `en&num` or `cn`.
        confidence: mean probability of its characters.
        box: around all its characters.
    """

    text: str
    kind: str
    confidence: float
    box: Box


def character_boxes(
    time_steps: Sequence[float], px_per_time_step: float, width_px: int, height_px: int
) -> tuple[Box, ...]:
    """Return a box per character; neighbouring boxes touch, or leave a gap if they are far apart.

    Args:
        time_steps: time step (0 .. T-1) of each character, the middle of those at which it was
            emitted; distinct, in any order.
        px_per_time_step: columns of the image that one time step covers.
        width_px, height_px: size of the image.

    Returns:
        boxes in the order of `time_steps`, within the image and as high as it.
    """
    centres = {step: min((step + 0.5) * px_per_time_step, width_px) for step in time_steps}
    ascending = [centres[step] for step in sorted(centres)]
    gaps = [right - left for left, right in pairwise(ascending)]
    # Hardly any character is wider than the line is high, or than two of its neighbours.
    widest = height_px / 2
    if gaps:
        widest = min(widest, sorted(gaps)[len(gaps) // 2])
    reaches = [min(gap / 2, widest) for gap in gaps]
    # The outermost characters are assumed to reach as far outwards as inwards.
    outer = (reaches[0], reaches[-1]) if reaches else (widest, widest)
    lefts, rights = [outer[0], *reaches], [*reaches, outer[1]]
    boxes = {
        step: Box(
            max(0.0, centre - left), 0.0, min(float(width_px), centre + right), float(height_px)
        )
        for step, centre, left, right in zip(sorted(centres), ascending, lefts, rights, strict=True)
    }
    return tuple(boxes[step] for step in time_steps)


def group_words(
    characters: Sequence[str], confidences: Sequence[float], boxes: Sequence[Box]
) -> tuple[Word, ...]:
    """Group the characters of a line into words, in the order of reading.

    A point belongs to a number when it stands before a digit (`3.14`), a hyphen to the word
    before it (`state-of-the-art`).

    Args:
        characters, confidences, boxes: of each character, in the order of reading.
    """
    runs: list[tuple[str, list[int]]] = []
    before: str | None = None
    for position, character in enumerate(characters):
        kind = _kind(character)
        if kind is None and before == LETTERS and _joins(characters, position):
            kind = LETTERS
        if kind is not None:
            if kind != before:
                runs.append((kind, []))
            runs[-1][1].append(position)
        before = kind
    return tuple(
        Word(
            text="".join(characters[place] for place in run),
            kind=kind,
            confidence=sum(confidences[place] for place in run) / len(run),
            box=_around([boxes[place] for place in run]),
        )
        for kind, run in runs
    )


def _kind(character: str) -> str | None:
    """Return the kind of word that a character belongs to, None for spaces and punctuation."""
    if _IDEOGRAPH.match(character):
        return IDEOGRAPHS
    is_letter = character.isalnum() or unicodedata.category(character[0]).startswith("M")
    return LETTERS if is_letter else None


def _joins(characters: Sequence[str], position: int) -> bool:
    """Tell whether a point or hyphen behind a letter or digit continues the word."""
    if characters[position] == ".":
        return position + 1 < len(characters) and characters[position + 1].isdigit()
    return characters[position] == "-"


def _around(boxes: Sequence[Box]) -> Box:
    """Return the smallest box around several."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))
