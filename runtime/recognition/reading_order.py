"""Converts the visual order of a line's characters to the order in which they are read.

A recogniser goes over a line from left to right, so it emits Arabic or Hebrew in reverse.
PaddleOCR 2.x reverses such a line except for runs of Latin letters and digits; so does this, with
neutral characters (spaces, punctuation) ordered as in the Unicode bidirectional algorithm.

Sources: PaddleOCR's `BaseRecLabelDecode.pred_reverse`; Unicode Standard Annex #9.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from runtime.recognition.result import Recognition

_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""The blocks of right-to-left scripts, whose digits are still written from left to right."""

# A letter for each character: R right to left, L left to right, N of a number, T sign of a number,
# - neutral.
_LETTERS = {"R": "R", "AL": "R", "L": "L", "EN": "N", "AN": "N", "ET": "T"}
_NUMBER_WITH_SIGN = re.compile("T*N[NT]*")
# Left-to-right runs keep their order, and include the neutral characters within them.
_RUN = re.compile("[LN](?:[^R]*[LN])?|.")
_QUOTED = re.compile("R(?:[^L]*R)?")


def reading_order(characters: Sequence[str]) -> list[int]:
    """Return the positions of characters, given from left to right, in the order of reading.

    A line that begins and ends with a left-to-right letter is a left-to-right line that quotes
    right-to-left words; any other line with a right-to-left letter is read from the right.

    Args:
        characters: a string per character, from left to right.

    Returns:
        a permutation of `0 .. len(characters) - 1`.
    """
    directions = "".join(_direction(character) for character in characters)
    directions = _NUMBER_WITH_SIGN.sub(lambda found: "N" * len(found[0]), directions)
    strong = re.sub("[^LR]", "", directions)
    if "R" not in strong:
        return list(range(len(characters)))
    if not strong.startswith("L") or not strong.endswith("L"):
        return _from_the_right(directions, 0, len(directions))
    order = list(range(len(characters)))
    for quoted in _QUOTED.finditer(directions):
        order[quoted.start() : quoted.end()] = _from_the_right(directions, *quoted.span())
    return order


def in_reading_order(recognition: Recognition) -> Recognition:
    """Sort text, characters, confidences and time steps of a result into the order of reading.

    Args:
        recognition: a result whose characters are in order from left to right.

    Returns:
        the same object when the line has no right-to-left character.
    """
    if not _RIGHT_TO_LEFT.search(recognition.text):
        return recognition
    order = reading_order(recognition.characters)
    characters = tuple(recognition.characters[place] for place in order)
    return replace(
        recognition,
        text="".join(characters),
        characters=characters,
        character_confidences=tuple(recognition.character_confidences[place] for place in order),
        time_steps=tuple(recognition.time_steps[place] for place in order),
        last_time_steps=tuple(recognition.last_time_steps[place] for place in order)
        if recognition.last_time_steps
        else (),
    )


def _direction(character: str) -> str:
    """Return the letter of a character's direction; see `_LETTERS`."""
    direction = unicodedata.bidirectional(character[0])
    if direction == "NSM" and _RIGHT_TO_LEFT.match(character):
        return "R"  # a vowel sign has the direction of its letter
    return _LETTERS.get(direction, "-")


def _from_the_right(directions: str, start: int, end: int) -> list[int]:
    """Return the positions `start .. end - 1`, with runs in order from right to left."""
    runs = [range(*found.span()) for found in _RUN.finditer(directions, start, end)]
    return [position for run in reversed(runs) for position in run]
