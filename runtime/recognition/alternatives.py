"""The most probable texts of a line: CTC prefix beam search, without a language model.

Greedy decoding follows the one most probable path; a text's probability is the sum over all its
paths (every way to stretch its characters and to put blanks between them). So the best text here
may differ from the greedy one, where many paths of one text outweigh the single best of another.

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
"""A class less probable than this at a time step begins nothing new there."""


class Alternative(NamedTuple):
    """One text that a line may have.

    Args:
        text: in the order of reading.
        probability: that the network gives it, 0 .. 1; of all texts together they sum to 1.
    """

    text: str
    probability: float


def most_probable_texts(
    probabilities: NDArray[np.floating], charset: Charset, count: int
) -> tuple[Alternative, ...]:
    """The texts of one line, the most probable first.

    A probability is that of the paths within the beam, so a lower bound, and an exact one but
    for what is improbable throughout.

    Args:
        probabilities: of the classes at each time step, [T, K].
        charset: K - 1 characters.
        count: how many texts at most; there are fewer where no other is worth a thought.
    """
    beam = _Beam(max(_LEAST_BEAM, _BEAM_PER_TEXT * count))
    for row in probabilities:
        beam.advance(row.astype(np.float64))
    texts: Counter[str] = Counter()
    for classes, probability in beam.prefixes():
        # Two sequences may be one text: some dictionaries list the space twice.
        characters = [charset.characters[index - 1] for index in classes]
        texts["".join(characters[one] for one in reading_order(characters))] += probability  # type: ignore[assignment]
    best = [(text, value) for text, value in texts.most_common(count) if value > 0]
    return tuple(Alternative(text, min(1.0, value)) for text, value in best)


class _Beam:
    """The most probable prefixes up to a time step.

    A prefix is a number, so that it is extended without being copied. Probabilities are held
    relative to those of the whole beam, which become too small for a number in a long line.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._log_scale = 0.0
        self._parents, self._lasts = [0], [BLANK_INDEX]
        self._numbers: dict[tuple[int, int], int] = {}
        # Prefix -> probability of its paths that end in a blank, and in its last character.
        self._held: dict[int, tuple[float, float]] = {0: (1.0, 0.0)}

    def advance(self, row: NDArray[np.float64]) -> None:
        """Take the probabilities of one time step, [K]."""
        blank = float(row[BLANK_INDEX])
        classes = self._worth_trying(row)
        grown: dict[int, tuple[float, float]] = {}
        for prefix, (in_blank, in_last) in self._held.items():
            either, last = in_blank + in_last, self._lasts[prefix]
            repeated = in_last * float(row[last]) if prefix else 0.0
            _add(grown, prefix, either * blank, repeated)
            for one, probability in classes:
                # A character said twice needs a blank between.
                before = in_blank if one == last else either
                if before:
                    _add(grown, self._number(prefix, one), 0.0, before * probability)
        best = sorted(grown.items(), key=lambda item: -sum(item[1]))[: self._width]
        total = sum(sum(parts) for _, parts in best)
        if total > 0:
            self._log_scale += math.log(total)
            self._held = {one: (a / total, b / total) for one, (a, b) in best}

    def prefixes(self) -> list[tuple[list[int], float]]:
        """Classes and probability of each prefix."""
        scale = math.exp(self._log_scale)
        return [(self._classes(one), scale * sum(parts)) for one, parts in self._held.items()]

    def _worth_trying(self, row: NDArray[np.float64]) -> list[tuple[int, float]]:
        classes = np.flatnonzero(row >= _LEAST_PROBABILITY)
        if classes.size > self._width + 1:
            classes = classes[np.argsort(-row[classes], kind="stable")[: self._width + 1]]
        return [(one, float(row[one])) for one in classes.tolist() if one != BLANK_INDEX]

    def _number(self, prefix: int, last: int) -> int:
        number = self._numbers.setdefault((prefix, last), len(self._lasts))
        if number == len(self._lasts):
            self._parents.append(prefix)
            self._lasts.append(last)
        return number

    def _classes(self, prefix: int) -> list[int]:
        classes = []
        while prefix:
            classes.append(self._lasts[prefix])
            prefix = self._parents[prefix]
        return classes[::-1]


def _add(
    held: dict[int, tuple[float, float]], prefix: int, in_blank: float, in_last: float
) -> None:
    before = held.get(prefix, (0.0, 0.0))
    held[prefix] = (before[0] + in_blank, before[1] + in_last)
