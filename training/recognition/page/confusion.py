"""Which characters are read as which."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rapidfuzz.distance import Levenshtein


@dataclass
class Confusion:
    """Counts of characters and of what was read in their place.

    Args:
        pairs: (expected, read) -> times; one of the two is empty where a character was left out, or
            read where there is none.
        expected: character -> times in the labels.
    """

    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)

    def add(self, label: str, text: str) -> None:
        """Count a line, by the fewest changes that make the label of what was read."""
        self.expected.update(label)
        for change in Levenshtein.editops(label, text):
            wanted = "" if change.tag == "insert" else label[change.src_pos]
            got = "" if change.tag == "delete" else text[change.dest_pos]
            self.pairs[wanted, got] += 1

    def rows(self, most: int) -> list[tuple[str, str, int, float | None]]:
        """Return expected, read, times, and the share of all expected; the commonest first."""
        found = sorted(self.pairs.items(), key=lambda entry: (-entry[1], entry[0]))
        return [
            (wanted, got, count, count / self.expected[wanted] if wanted else None)
            for (wanted, got), count in found[:most]
        ]


def marked(label: str, text: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Split label and reading into pieces, each with whether the two differ there."""
    label_pieces, text_pieces = [], []
    for block in Levenshtein.opcodes(label, text):
        differs = block.tag != "equal"
        label_pieces.append((label[block.src_start : block.src_end], differs))
        text_pieces.append((text[block.dest_start : block.dest_end], differs))
    return label_pieces, text_pieces
