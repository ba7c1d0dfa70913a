"""What a teacher read in the lines of a batch, as losses and decoding take it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runtime.recognition.charset import BLANK_INDEX, SPACE
from training.distillation.teacher.contract import TeacherOutput
from training.recognition.labels import padded_labels
from training.recognition.teacher.alignment import spikes
from training.recognition.teacher.reading import LineReading

if TYPE_CHECKING:
    import paddle

_LEAST = 1e-8
"""Of a probability whose logarithm is taken."""


@dataclass(frozen=True, eq=False)
class LineReadings(TeacherOutput):
    """Readings of N lines.

    Dimension letters besides the usual ones: k classes kept of each time step.

    Args:
        lines: one reading each.
        num_classes: K of the run; joint classes from there on are the teacher's alone.
        shares: of the width of the batch that each line fills, 0 .. 1.
        num_steps: time steps of a network that reads the batch.
        labels: text of each line's label.
    """

    lines: tuple[LineReading, ...]
    num_classes: int
    shares: tuple[float, ...]
    num_steps: int
    labels: tuple[str, ...] = ()

    def agrees(self, place: int) -> bool:
        """Tell whether the best text of a line is its label, but for spaces."""
        read, label = self.lines[place].text, self.labels[place]
        return read.replace(SPACE, "") == label.replace(SPACE, "")

    def has_other_spaces(self, place: int) -> bool:
        """Tell whether a line's label has more or fewer spaces than its best text."""
        return self.lines[place].text.count(SPACE) != self.labels[place].count(SPACE)

    def outputs(self) -> LineReadings:
        """Return the readings themselves."""
        return self

    def logits(self) -> paddle.Tensor:
        """Return logits float32 [N, T, K], as many T as a network of the teacher's stride has.

        They are logarithms of the probabilities that were kept; what lacks to 1 is shared evenly
        among the other classes, and behind a line there are blanks.
        """
        import paddle  # not in the processes that load data

        dense = self._dense(self.num_steps)
        return paddle.to_tensor(np.log(np.maximum(dense, _LEAST)))

    def decodable(self) -> NDArray[np.float32]:
        """Return probabilities float32 [N, T, K]."""
        return self._dense(1)

    @cached_property
    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Joint classes and probabilities of all lines, [N, T, k]; behind a line there are blanks.

        Filled up to k with blanks of no probability.
        """
        kept = max(line.classes.shape[1] for line in self.lines)
        shape = (len(self.lines), self._longest, kept)
        classes, probabilities = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        probabilities[:, :, 0] = 1
        for place, line in enumerate(self.lines):
            length, width = line.classes.shape
            classes[place, :length, :width] = line.classes
            probabilities[place, :length] = 0
            probabilities[place, :length, :width] = line.probabilities
        return classes, probabilities

    @cached_property
    def spikes(self) -> NDArray[np.int64]:
        """The time step at which each character of each line's best text is surest, [N, L].

        -1 behind a text's end.
        """
        labels = [line.texts[0].classes or (BLANK_INDEX,) for line in self.lines]
        padded = padded_labels(labels)
        classes, probabilities = self.rows
        symbols = np.empty((*classes.shape[:2], padded.shape[1]))
        for place in range(padded.shape[1]):
            is_symbol = classes == padded[:, place, np.newaxis, np.newaxis]
            symbols[:, :, place] = (probabilities * is_symbol).sum(axis=2)
        blanks = (probabilities * (classes == BLANK_INDEX)).sum(axis=2)
        found = spikes(_log(blanks), _log(symbols), labels)
        found[[not line.texts[0].classes for line in self.lines]] = -1
        return found

    @cached_property
    def _longest(self) -> int:
        return max(len(line.classes) for line in self.lines)

    def _dense(self, least_steps: int) -> NDArray[np.float32]:
        """Return probabilities of every class of the run, float32 [N, T, K]."""
        classes, probabilities = self.rows
        num_lines, num_steps, _ = classes.shape
        dense = np.zeros((num_lines, max(least_steps, num_steps), self.num_classes), np.float32)
        rest = np.clip(1 - probabilities.sum(axis=2, keepdims=True), 0, 1)
        dense[:, :num_steps] = rest / self.num_classes
        places = np.nonzero((classes < self.num_classes) & (probabilities > 0))
        np.add.at(dense, (places[0], places[1], classes[places]), probabilities[places])
        dense[:, num_steps:, BLANK_INDEX] = 1
        # What is the teacher's alone counts for nothing: the others share what is left.
        dense /= np.maximum(dense.sum(axis=2, keepdims=True), _LEAST)
        return dense


def _log(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    found: NDArray[np.floating] = np.log(np.maximum(probabilities, _LEAST))
    return found
