"""What a teacher read in the lines of a batch, as losses and decoding take it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runtime.recognition.charset import BLANK_INDEX
from training.distillation.teacher.contract import TeacherOutput
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
    """

    lines: tuple[LineReading, ...]
    num_classes: int
    shares: tuple[float, ...]
    num_steps: int

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
    def _longest(self) -> int:
        return max(len(line.classes) for line in self.lines)

    def _dense(self, least_steps: int) -> NDArray[np.float32]:
        """Return probabilities of every class of the run, float32 [N, T, K]."""
        num_steps = max(least_steps, self._longest)
        shape = (len(self.lines), num_steps, self.num_classes)
        dense = np.zeros(shape, np.float32)
        for rows, line in zip(dense, self.lines, strict=True):
            steps, places = np.nonzero((line.classes < self.num_classes) & (line.probabilities > 0))
            classes = line.classes[steps, places]
            length = len(line.classes)
            rest = np.clip(1 - line.probabilities.sum(axis=1, keepdims=True), 0, 1)
            rows[:length] = rest / self.num_classes
            np.add.at(rows, (steps, classes), line.probabilities[steps, places])
            # What is the teacher's alone counts for nothing: the others share what is left.
            rows[:length] /= np.maximum(rows[:length].sum(axis=1, keepdims=True), _LEAST)
            rows[length:, BLANK_INDEX] = 1
        return dense
