"""The wording of a synthetic line, limited to an alphabet of any script."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from itertools import filterfalse

import numpy as np
from numpy.typing import NDArray

from runtime.errors import DatasetError
from runtime.recognition.charset import SPACE
from training.data.synthetic.alphabet import check_alphabet, is_combining, is_visible, tidy
from training.data.synthetic.patterns import PATTERNS, digits, pick
from training.data.synthetic.words import WORDS

MIN_FITTING_WORDS = 30
"""With fewer built-in words left in the alphabet, words are made of random letters instead."""

CLOSING_MARKS = ".,:;!?"
ENCLOSING_MARKS = ("()", '""', "[]", "''", "„“", "«»")


class TextSampler:
    """Draws the wording of lines from an alphabet.

    Without a word list a line is made of built-in words, numbers, dates, prices, codes, addresses
    and strings of evenly drawn characters. The more letters the alphabet has that the built-in
    words lack (Cyrillic, Chinese, ...), the more words are strings of random letters of one script.

    Args:
        characters: the alphabet. Characters without ink are ignored, save for the space.
        min_length, max_length: limits of the text in characters.
        word_list: the lines to draw words from instead; written as they stand.

    Raises:
        DatasetError: if the alphabet has no character to begin a line with, the limits
            contradict each other, or no word of the list fits them.
    """

    def __init__(
        self,
        characters: Sequence[str],
        min_length: int,
        max_length: int,
        word_list: Sequence[str] | None = None,
    ) -> None:
        check_alphabet(characters, min_length, max_length)
        self.min_length = min_length
        self.max_length = max_length
        self.visible = tuple(filter(is_visible, dict.fromkeys(characters)))
        self.alphabet = frozenset(self.visible) | ({SPACE} & set(characters))
        self._joint = SPACE if SPACE in self.alphabet else ""
        self._bases = tuple(filterfalse(is_combining, self.visible))
        if not self._bases:
            raise DatasetError(
                "no line can be written in this alphabet: expected at least one character with "
                f"ink of its own, got {''.join(characters)!r}; add letters or digits"
            )
        self._has_own_words = word_list is not None
        words = WORDS if word_list is None else word_list
        self._words = self._fitting_words(words)
        if self._has_own_words and not self._words:
            raise DatasetError(
                f"none of the {len(words)} words can be used: expected words of at most "
                f"{max_length} characters, all in the alphabet, got for example "
                f"{words[0] if words else ''!r}; extend the alphabet or change the word list"
            )
        # By character, so that a line can be made to hold a given one.
        self._words_with: dict[str, list[str]] = {}
        for word in self._words:
            for character in set(word):
                self._words_with.setdefault(character, []).append(word)
        self._scripts = self._letters_by_script()
        self._kinds, self._cumulative_weights = self._weigh_kinds()

    @property
    def has_own_words(self) -> bool:
        """Tell whether the words come from the user's list."""
        return self._has_own_words

    def sample(self, rng: np.random.Generator, must_have: str | None = None) -> str:
        """Draw one line of text.

        Args:
            must_have: a visible character of the alphabet that the line shall contain.

        Returns:
            min_length .. max_length characters of the alphabet, no space at either end and no two
            in a row.
        """
        target = self._target_length(rng)
        parts = [self._first_part(rng, must_have)]
        length = len(parts[0])
        while length < target:
            parts.append(self._part(rng))
            length += len(parts[-1]) + 1
        text = self._joint.join(part for part in parts if part)
        if not self._has_own_words:
            text = self._punctuate(text, rng)
        return self.trim(text, rng, must_have)

    def trim(
        self,
        text: str,
        rng: np.random.Generator,
        must_have: str | None = None,
        allowed: frozenset[str] | None = None,
    ) -> str:
        """Bring a text within alphabet and limits and put `must_have` into it.

        Args:
            allowed: narrower alphabet, such as what one font draws; holds `must_have`.

        Returns:
            As `sample`.
        """
        if allowed is not None:
            text = "".join(character for character in text if character in allowed)
        text = tidy(text)
        if len(text) > self.max_length:
            text = self._shorten(text, rng)
        fill = (
            self._bases
            if allowed is None
            else [character for character in self._bases if character in allowed]
        )
        while len(text) < self.min_length or not text:
            text += pick(fill, rng)
        if must_have is not None and must_have not in text:
            text = self._insert(text, must_have, rng)
        return text

    def _shorten(self, text: str, rng: np.random.Generator) -> str:
        cut = text.rfind(SPACE, self.min_length, self.max_length + 1)
        # Cutting at a word's end most of the time; else the longest lines would never occur.
        keep = cut if cut > 0 and rng.random() < 0.8 else self.max_length
        return tidy(text[:keep])

    def _insert(self, text: str, must_have: str, rng: np.random.Generator) -> str:
        """Add `must_have` to `text`, in the place of another character where the text is full."""
        # A mark needs a letter before it; the first character of a text always is one.
        places = list(range(len(text) + 1))
        if is_combining(must_have):
            places = [place for place in places[1:] if is_visible(text[place - 1])]
            places = [place for place in places if not is_combining(text[place - 1])]
        if len(text) < self.max_length:
            at = pick(places, rng)
            return text[:at] + must_have + text[at:]
        places = [place for place in places if place < len(text)]
        if not places:
            return text
        at = pick(places, rng)
        return text[:at] + must_have + text[at + 1 :]

    def _target_length(self, rng: np.random.Generator) -> int:
        # One word, unless that is too short; words run into each other are rare.
        if rng.random() < (0.4 if self._joint else 0.75):
            return self.min_length
        return int(rng.integers(self.min_length, self.max_length + 1))

    def _first_part(self, rng: np.random.Generator, must_have: str | None) -> str:
        if must_have is None:
            return self._part(rng)
        known = self._words_with.get(must_have)
        if known:
            return pick(known, rng)
        part = self._part(rng)
        if must_have.lower() != must_have:
            upper = self.fold(part.upper())
            if must_have in upper:
                return upper
        return part

    def _part(self, rng: np.random.Generator) -> str:
        if self._has_own_words:
            return pick(self._words, rng)
        kind = int(np.searchsorted(self._cumulative_weights, rng.random(), side="right"))
        return self.fold(self._kinds[kind](rng))

    def fold(self, text: str) -> str:
        """Fold a text into the alphabet: other case, then without accent, else left out."""
        alphabet = self.alphabet
        if alphabet.issuperset(text):
            return text
        folded = []
        for character in text:
            if character in alphabet:
                folded.append(character)
                continue
            base = unicodedata.normalize("NFD", character)[0]
            for candidate in (character.swapcase(), base, base.swapcase()):
                if candidate in alphabet:
                    folded.append(candidate)
                    break
        return "".join(folded)

    def _fitting_words(self, words: Sequence[str]) -> list[str]:
        fitting = []
        for word in words:
            folded = word if self._has_own_words else self.fold(word)
            is_whole = len(folded) == len(word) and self.alphabet.issuperset(folded)
            if is_whole and 0 < len(folded) <= self.max_length and folded == tidy(folded):
                fitting.append(folded)
        return fitting

    def _letters_by_script(self) -> list[list[str]]:
        """Group the letters outside the built-in words by script and case."""
        groups: dict[str, list[str]] = {}
        for character in self.visible:
            if not character.isalpha() and not is_combining(character):
                continue
            if character in self._words_with or character.swapcase() in self._words_with:
                continue
            script = unicodedata.name(character, "UNKNOWN").split()[0].split("-")[0]
            groups.setdefault(script, []).append(character)
        return list(groups.values())

    def _weigh_kinds(
        self,
    ) -> tuple[list[Callable[[np.random.Generator], str]], NDArray[np.float64]]:
        """Return the kinds of parts this alphabet allows, and cumulative weights that end at 1."""
        kinds: list[Callable[[np.random.Generator], str]] = [self._even_string]
        weights = [0.05]
        if len(self._words) >= MIN_FITTING_WORDS:
            kinds.append(self._word)
            weights.append(0.6)
        foreign = sum(len(letters) for letters in self._scripts)
        if foreign:
            kinds.append(self._random_word)
            weights.append(0.6 * foreign / 26)
        if "0" in self.alphabet and "1" in self.alphabet:
            for pattern, weight in PATTERNS:
                kinds.append(pattern)
                weights.append(weight)
        shares = np.cumsum(weights)
        return kinds, shares / shares[-1]

    def _word(self, rng: np.random.Generator) -> str:
        word = pick(self._words, rng)
        style = rng.random()
        if style < 0.45:
            return word
        if style < 0.65:
            return self.fold(word[0].upper() + word[1:])
        if style < 0.95:
            return self.fold(word.upper())
        return word + self.fold(digits(rng, 1, 3))

    def _random_word(self, rng: np.random.Generator) -> str:
        sizes = np.cumsum([len(letters) for letters in self._scripts])
        script = int(np.searchsorted(sizes, rng.integers(sizes[-1]), side="right"))
        letters = self._scripts[script]
        chosen = rng.integers(len(letters), size=int(rng.integers(1, 9)))
        word = "".join(letters[position] for position in chosen)
        style = rng.random()
        if style < 0.5:
            return self.fold(word.lower())
        return self.fold(word.upper() if style < 0.75 else word.capitalize())

    def _even_string(self, rng: np.random.Generator) -> str:
        chosen = rng.integers(len(self.visible), size=int(rng.integers(1, 9)))
        return "".join(self.visible[position] for position in chosen)

    def _punctuate(self, text: str, rng: np.random.Generator) -> str:
        style = rng.random()
        if style < 0.15:
            return text + self.fold(pick(CLOSING_MARKS, rng))
        if style < 0.22:
            marks = pick(ENCLOSING_MARKS, rng)
            if self.alphabet.issuperset(marks):
                return marks[0] + text + marks[1]
        if style < 0.3 and SPACE in text:
            return text.replace(SPACE, self.fold(pick(CLOSING_MARKS[:4], rng)) + SPACE, 1)
        return text
