"""How well texts agree with what stands in the images, counted alike by every command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TextScores:
    """Count texts that were read against their labels, one after the other.

    Args:
        num_read: texts counted.
        num_exact: of them, equal to their label, case and every space counted.
        num_alike: of them, equal to their label when neither case nor spaces count.
        num_edits: characters to insert, leave out or replace, of all texts.
        num_characters: of all labels.
    """

    num_read: int = 0
    num_exact: int = 0
    num_alike: int = 0
    num_edits: int = 0
    num_characters: int = 0

    def add(self, text: str, label: str) -> None:
        """Count one text; one that could not be read counts as empty."""
        self.num_read += 1
        self.num_exact += text == label
        self.num_alike += without_case_and_spaces(text) == without_case_and_spaces(label)
        self.num_edits += edit_distance(text, label)
        self.num_characters += len(label)

    @property
    def accuracy(self) -> float:
        """Return the share of texts that are exact, 0 without any."""
        return self.num_exact / max(1, self.num_read)

    @property
    def character_error_rate(self) -> float:
        """Return the edits per character of the labels."""
        return self.num_edits / max(1, self.num_characters)

    def summary(self) -> str:
        """Return e.g. `read exactly: 18 of 20 labelled images (90.0 %); …`."""
        return (
            f"read exactly: {self.num_exact} of {self.num_read} labelled images "
            f"({self.accuracy:.1%}); ignoring case and spaces: {self.num_alike} "
            f"({self.num_alike / max(1, self.num_read):.1%}); character error rate: "
            f"{self.character_error_rate:.2%}"
        ).replace("%", " %")


def without_case_and_spaces(text: str) -> str:
    """Return what two texts are compared by where neither case nor spaces count."""
    return "".join(text.split()).casefold()


def edit_distance(text: str, label: str) -> int:
    """Return how many characters must be inserted, left out or replaced: Levenshtein's distance.

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
