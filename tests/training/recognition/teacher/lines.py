"""Readings made by hand: of each time step the classes that a teacher thinks possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from training.recognition.teacher.reading import LineReading, reading_of
from training.recognition.teacher.readings import LineReadings

K = 4
"""Classes of the run: the blank, a, b, c."""
CHARACTERS = ("a", "b", "c", "d", "e")
"""Joint characters; d and e are the teacher's alone."""
Step = Mapping[int, float]


def line(*steps: Step, line_steps: float | None = None) -> LineReading:
    """A reading of these probabilities by class; what is left at a step is the blank's."""
    rows = np.zeros((len(steps), len(CHARACTERS) + 1), np.float32)
    for row, given in zip(rows, steps, strict=True):
        for number, value in given.items():
            row[number] = value
        row[0] += 1 - row.sum()
    table = np.arange(len(CHARACTERS) + 1)
    return reading_of(rows, table, CHARACTERS, len(steps) if line_steps is None else line_steps)


def readings(
    *lines: LineReading,
    shares: Sequence[float] | None = None,
    num_steps: int = 1,
    labels: Sequence[str] = (),
) -> LineReadings:
    """The readings of a batch."""
    filled = tuple(shares or [1.0] * len(lines))
    return LineReadings(lines, K, filled, num_steps, tuple(labels))
