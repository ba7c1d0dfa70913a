"""Synthetic lines as a data set: any line at once, from its number alone."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from runtime.errors import DatasetError
from training.data.sample import Sample
from training.data.synthetic.degrade import BgrImage
from training.data.synthetic.fonts import build_font_book
from training.data.synthetic.layout import Layout, choose_layout
from training.data.synthetic.looks import Look, Looks, render_look
from training.data.synthetic.render import render_layout
from training.data.synthetic.text import TextSampler

DEFAULT_ALPHABET: tuple[str, ...] = tuple(
    string.digits + string.ascii_letters + string.punctuation + "ÄÖÜäöüß€"
)
"""Printable ASCII and what German adds; the space comes with `use_space_char`."""

COVERAGE_STRIDE = 4
"""One line in so many is made to hold a given character, so that rare ones are seen."""

OWN_WORDS_STRIDE = 10
"""The same when the words are the user's, which should rarely be tampered with."""


class SyntheticDataSet:
    """Rendered lines of text, made when they are asked for.

    A line depends on seed, epoch and index only, so training resumes exactly and the number of
    workers does not matter. Every character of the alphabet occurs in each epoch of at least as
    many lines as there are characters; with a word list, of ten times as many. Objects can be
    pickled; fonts are opened by each process when it first needs them.

    Args:
        characters: the alphabet, of any script; white space other than the space is ignored.
        count: lines per epoch.
        seed: 0 or more.
        max_text_length, min_text_length: limits of the text in characters.
        word_list: a file with one entry a line, or the entries; None for the built-in text.
        fonts: font files to use; None for those of the machine.
        difficulty: 0 black on white, level, undisturbed .. 1 hard to read.
        looks: share of each look by name: `plain`, `sign`, `print`, `typed`, `display`; None for
            plain lines.

    Raises:
        DatasetError: if an argument is out of range, the word list or a font cannot be read, or
            no font has one of the characters.
    """

    def __init__(
        self,
        characters: Sequence[str],
        count: int,
        seed: int,
        max_text_length: int = 25,
        min_text_length: int = 1,
        word_list: str | Path | Sequence[str] | None = None,
        fonts: Sequence[str | Path] | None = None,
        difficulty: float = 0.5,
        looks: Mapping[str, float] | None = None,
    ) -> None:
        check_range("count", count, count >= 1, "at least 1")
        check_range("seed", seed, seed >= 0, "0 or more")
        check_range("difficulty", difficulty, 0 <= difficulty <= 1, "0 to 1")
        words = read_word_list(word_list) if isinstance(word_list, str | Path) else word_list
        self.count = count
        self.seed = seed
        self.difficulty = difficulty
        self._sampler = TextSampler(characters, min_text_length, max_text_length, words)
        self.fonts = build_font_book(self._sampler.alphabet, fonts)
        visible = self._sampler.visible
        self.looks = dict(looks or {})
        self._looks = Looks(looks, self.fonts) if looks is not None else None
        # Its own stream: three numbers seed a line, two seed the order of the characters.
        order = np.random.default_rng([seed, len(visible)]).permutation(len(visible))
        self._order: tuple[str, ...] = tuple(visible[position] for position in order.tolist())
        if self._sampler.has_own_words:
            self._stride = OWN_WORDS_STRIDE
        else:
            self._stride = max(1, min(COVERAGE_STRIDE, count // len(visible)))

    def __len__(self) -> int:
        return self.count

    def line(self, index: int, epoch: int = 0) -> tuple[BgrImage, str]:
        """Draw one line.

        Args:
            index: 0 .. len - 1.
            epoch: 0 or more; each epoch has other lines.

        Returns:
            BGR uint8 [h, w, 3], h 18 .. 64 px, of some looks from 10 px on, and the text shown.

        Raises:
            IndexError: if there is no such line.
        """
        text, layout, rng, look = self._plan(index, epoch)
        if look is None:
            return render_layout(text, layout, rng, self.difficulty), text
        return render_look(look, text, layout, rng, self.difficulty), text

    def text(self, index: int, epoch: int = 0) -> str:
        """Return the text of `line(index, epoch)` without drawing it."""
        return self._plan(index, epoch)[0]

    def ratio(self, index: int, epoch: int = 0) -> float:
        """Estimate width over height of `line(index, epoch)`, within a few percent.

        The text is chosen and measured but not drawn, so that batches of lines of similar width
        can be planned.
        """
        return self._plan(index, epoch)[1].ratio

    def read(self, index: int, epoch: int) -> Sample:
        """Return line `index` as a sample of training."""
        image, text = self.line(index, epoch)
        return Sample(image, text, f"synthetic line {index} of epoch {epoch}")

    def indices(self, epoch: int) -> range:
        """Return every line."""
        return range(self.count)

    @property
    def visible_characters(self) -> tuple[str, ...]:
        """The alphabet in its given order, without white space."""
        return self._sampler.visible

    def provenance(self) -> dict[str, object]:
        """Return the settings that the lines follow from, to be written beside them."""
        return {
            "count": self.count,
            "seed": self.seed,
            "difficulty": self.difficulty,
            "min_text_length": self._sampler.min_length,
            "max_text_length": self._sampler.max_length,
            "alphabet": "".join(sorted(self._sampler.alphabet)),
            "has_own_words": self._sampler.has_own_words,
            "looks": self.looks,
            "fonts": [Path(face.path).name for face in self.fonts.faces],
        }

    def _plan(self, index: int, epoch: int) -> tuple[str, Layout, np.random.Generator, Look | None]:
        """Choose text, layout and look of a line; return the generator that draws it, too."""
        if not 0 <= index < self.count:
            raise IndexError(f"line {index} of {self.count}")
        rng = np.random.default_rng([self.seed, epoch, index])
        must_have = self._must_have(index, epoch)
        text = self._sampler.sample(rng, must_have)
        if not self.fonts.can_draw(text):
            # No font has all of these characters: keep those that one font has.
            face = self.fonts.choose_best(text, must_have, rng)
            text = self._sampler.trim(text, rng, must_have, face.characters)
        if self._looks is None:
            return text, choose_layout(text, rng, self.fonts, self.difficulty), rng, None
        look = self._looks.choose(rng)
        return text, self._looks.layout(look, text, rng, self.difficulty), rng, look

    def _must_have(self, index: int, epoch: int) -> str | None:
        """Return the character that this line has to hold, each one in turn, or None."""
        turn, rest = divmod(index, self._stride)
        if rest:
            return None
        turns_an_epoch = -(-self.count // self._stride)
        return self._order[(turn + epoch * turns_an_epoch) % len(self._order)]


def read_word_list(path: str | Path) -> list[str]:
    """Read a UTF-8 word list, one entry a line; blank lines and outer spaces are dropped.

    Raises:
        DatasetError: if the file cannot be read or holds nothing.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(
            f"cannot read the word list {path}: {error.strerror}; give a file with one word a line"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"the word list {path} is not UTF-8: byte {error.start} cannot be decoded; "
            "save it as UTF-8, one word a line"
        ) from error
    words = [line.strip() for line in text.splitlines()]
    words = [word for word in words if word]
    if not words:
        raise DatasetError(f"the word list {path} is empty: expected one word a line")
    return words


def check_range(name: str, value: float, is_allowed: bool, expected: str) -> None:
    if not is_allowed:
        raise DatasetError(
            f"{name} is out of range: expected {expected}, got {value}; change {name}"
        )
