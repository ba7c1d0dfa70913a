"""Finds the most probable texts of a line by CTC prefix beam search, without a language model.

Greedy decoding follows the most probable path; a text's probability is the sum over all its paths
(every way to repeat its characters and to put blanks between them). So the best text here may
differ from the greedy one, where the many paths of a text outweigh the single best of another.

Source: Hannun, Maas, Jurafsky and Ng 2014, "First-Pass Large Vocabulary Continuous Speech
Recognition using Bi-Directional Recurrent DNNs", arXiv:1408.2873, algorithm 1.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.recognition.charset import BLANK_INDEX, Charset
from runtime.recognition.reading_order import reading_order

_LEAST_BEAM, _BEAM_PER_TEXT = 16, 4
_LEAST_PROBABILITY = 1e-5
"""A class less probable than this at a time step does not extend prefixes there."""


class Alternative(NamedTuple):
    """A possible text of a line.

    Args:
        text: in the order of reading.
        probability: by the network, 0 .. 1; the probabilities of all texts sum to 1.
    """

    text: str
    probability: float


def most_probable_texts(
    probabilities: NDArray[np.floating], charset: Charset, count: int
) -> tuple[Alternative, ...]:
    """Return the texts of a line, the most probable first.

    A probability counts only the paths within the beam, so it is a lower bound, and nearly exact
    unless many improbable paths are left out.

    Args:
        probabilities: of the classes at each time step, [T, K].
        charset: K - 1 characters.
        count: number of texts at most; fewer if the beam holds no more.
    """
    texts: Counter[str] = Counter()
    for classes, probability in most_probable_labels(probabilities, count):
        # Two sequences may have the same text: some dictionaries list the space twice.
        characters = [charset.characters[index - 1] for index in classes]
        text = "".join(characters[place] for place in reading_order(characters))
        texts[text] += probability  # type: ignore[assignment]
    best = [(text, value) for text, value in texts.most_common(count) if value > 0]
    return tuple(Alternative(text, min(1.0, value)) for text, value in best)


def most_probable_labels(
    probabilities: NDArray[np.floating], count: int
) -> list[tuple[list[int], float]]:
    """Return all sequences of classes in the beam, and how probable each is.

    Args:
        probabilities: of the classes at each time step, [T, K].
        count: how many sequences the beam is to tell apart well; it holds more.
    """
    beam = _Beam(max(_LEAST_BEAM, _BEAM_PER_TEXT * count))
    for row in probabilities:
        beam.advance(row.astype(np.float64))
    return beam.prefixes()


class _Beam:
    """The most probable prefixes up to a time step.

    A prefix is the number of a node, which knows its parent and its last class, so that extending
    it copies nothing. Probabilities are relative to that of the whole beam, which would underflow
    in a long line.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._log_scale = 0.0
        self._parents, self._lasts = [0], [BLANK_INDEX]
        self._numbers: dict[tuple[int, int], int] = {}
        # Prefix -> probability of its paths that end in a blank, and in its last character.
        self._held: dict[int, tuple[float, float]] = {0: (1.0, 0.0)}

    def advance(self, row: NDArray[np.float64]) -> None:
        """Extend the prefixes by a time step with these probabilities, [K]."""
        blank = float(row[BLANK_INDEX])
        classes = self._candidates(row)
        grown: dict[int, tuple[float, float]] = {}
        for prefix, (in_blank, in_last) in self._held.items():
            either, last = in_blank + in_last, self._lasts[prefix]
            repeated = in_last * float(row[last]) if prefix else 0.0
            _add(grown, prefix, either * blank, repeated)
            for index, probability in classes:
                # A double character needs a blank in between.
                before = in_blank if index == last else either
                if before:
                    _add(grown, self._number(prefix, index), 0.0, before * probability)
        best = sorted(grown.items(), key=lambda item: -sum(item[1]))[: self._width]
        total = sum(sum(parts) for _, parts in best)
        if total > 0:
            self._log_scale += math.log(total)
            self._held = {prefix: (a / total, b / total) for prefix, (a, b) in best}

    def prefixes(self) -> list[tuple[list[int], float]]:
        """Return classes and probability of each prefix."""
        scale = math.exp(self._log_scale)
        return [(self._classes(prefix), scale * sum(parts)) for prefix, parts in self._held.items()]

    def _candidates(self, row: NDArray[np.float64]) -> list[tuple[int, float]]:
        """Return the classes that may extend a prefix, without the blank, and probabilities."""
        classes = np.flatnonzero(row >= _LEAST_PROBABILITY)
        if classes.size > self._width + 1:
            classes = classes[np.argsort(-row[classes], kind="stable")[: self._width + 1]]
        return [(index, float(row[index])) for index in classes.tolist() if index != BLANK_INDEX]

    def _number(self, prefix: int, last: int) -> int:
        """Return the number of the prefix that extends `prefix` by a class."""
        number = self._numbers.setdefault((prefix, last), len(self._lasts))
        if number == len(self._lasts):
            self._parents.append(prefix)
            self._lasts.append(last)
        return number

    def _classes(self, prefix: int) -> list[int]:
        """Return the classes of a prefix, first to last."""
        classes = []
        while prefix:
            classes.append(self._lasts[prefix])
            prefix = self._parents[prefix]
        return classes[::-1]


def _add(
    held: dict[int, tuple[float, float]], prefix: int, in_blank: float, in_last: float
) -> None:
    """Add probabilities to those of a prefix."""
    before = held.get(prefix, (0.0, 0.0))
    held[prefix] = (before[0] + in_blank, before[1] + in_last)
