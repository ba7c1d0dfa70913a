"""Scores the agreement of recognised texts with labels, in the same way for every command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class TextScores:
    """Accumulates the agreement of texts with their labels.

    Args:
        num_read: number of texts.
        num_exact: texts that equal their label, case and spaces included.
        num_alike: texts that equal their label when case and spaces are ignored.
        num_edits: characters to insert, delete or replace, of all texts.
        num_characters: characters of all labels.
    """

    num_read: int = 0
    num_exact: int = 0
    num_alike: int = 0
    num_edits: int = 0
    num_characters: int = 0

    def add(self, text: str, label: str) -> None:
        """Count a text; that of an unreadable image is empty."""
        self.num_read += 1
        self.num_exact += text == label
        self.num_alike += without_case_and_spaces(text) == without_case_and_spaces(label)
        self.num_edits += edit_distance(text, label)
        self.num_characters += len(label)

    @property
    def accuracy(self) -> float:
        """Share of texts that are exact, 0 without any."""
        return self.num_exact / max(1, self.num_read)

    @property
    def character_error_rate(self) -> float:
        """Edits per character of the labels."""
        return self.num_edits / max(1, self.num_characters)

    def summary(self) -> str:
        """Return a text such as `read exactly: 18 of 20 labelled images (90.0 %); …`."""
        return (
            f"read exactly: {self.num_exact} of {self.num_read} labelled images "
            f"({self.accuracy:.1%}); ignoring case and spaces: {self.num_alike} "
            f"({self.num_alike / max(1, self.num_read):.1%}); character error rate: "
            f"{self.character_error_rate:.2%}"
        ).replace("%", " %")


def are_capitals(labels: Iterable[str]) -> bool:
    """Tell whether no label has a lower-case letter, so that they tell nothing of case."""
    return not any(character.islower() for label in labels for character in label)


def without_case_and_spaces(text: str) -> str:
    """Return a text in lower case and without spaces, for comparisons."""
    return "".join(text.split()).casefold()


def edit_distance(text: str, label: str) -> int:
    """Count the characters to insert, delete or replace: Levenshtein's distance.

    Source: Hyyro 2003, "A bit-vector algorithm for computing Levenshtein and Damerau edit
    distances": a whole column of the table is one integer, each of its bits a difference to the
    row above.
    """
    if not text:
        return len(label)
    places: dict[str, int] = {}
    for index, character in enumerate(text):
        places[character] = places.get(character, 0) | 1 << index
    every_row, last_row = (1 << len(text)) - 1, 1 << (len(text) - 1)
    rises, falls = every_row, 0  # rows at which the column rises, or falls, by one
    distance = len(text)
    for character in label:
        equal = places.get(character, 0)
        diagonal = (((equal & rises) + rises) ^ rises) | equal | falls
        row_rises = falls | ~(diagonal | rises)
        row_falls = rises & diagonal
        distance += bool(row_rises & last_row) - bool(row_falls & last_row)
        row_rises = row_rises << 1 | 1
        rises = (row_falls << 1 | ~(diagonal | row_rises)) & every_row
        falls = row_rises & diagonal & every_row
    return distance
