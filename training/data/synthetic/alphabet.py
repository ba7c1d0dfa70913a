"""Tells which characters of an alphabet can be drawn, and which texts are well formed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from runtime.errors import DatasetError
from runtime.recognition.charset import SPACE


def is_visible(character: str) -> bool:
    """Tell whether a character leaves ink: no white space, control or format character."""
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf", "Cs")


def is_combining(character: str) -> bool:
    """Tell whether a character is a mark that is drawn on the one before it."""
    return unicodedata.category(character).startswith("M")


def tidy(text: str) -> str:
    """Drop spaces at the ends or twice in a row, and combining marks without a base."""
    if any(map(is_combining, text)):
        kept: list[str] = []
        for character in text:
            has_base = bool(kept) and kept[-1] != SPACE and not is_combining(kept[-1])
            if has_base or not is_combining(character):
                kept.append(character)
        text = "".join(kept)
    return SPACE.join(part for part in text.split(SPACE) if part)


def check_alphabet(characters: Sequence[str], min_length: int, max_length: int) -> None:
    """Raise DatasetError on entries of more than one character and on impossible lengths."""
    long_entries = [character for character in characters if len(character) != 1]
    if long_entries:
        raise DatasetError(
            "the alphabet has entries that are not one character: expected single characters, got "
            f"{long_entries[:5]!r}; remove them from the dictionary"
        )
    if not 1 <= min_length <= max_length:
        raise DatasetError(
            "impossible text lengths: expected 1 <= minimum <= maximum, got "
            f"{min_length} and {max_length}; change min_text_length or max_text_length"
        )
