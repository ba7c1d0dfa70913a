"""Which nodes to keep when no single one is guilty: those whose rounding turned the reading.

Where FP32 hardly prefers class a over class b, the sum of all roundings may turn the margin
log p(a) - log p(b). Roundings are small, so what all of them do to a margin is nearly the sum of
what each node does when it alone is FP16. That is measured at every time step of every line where
the reading is that close, and the fewest nodes are sought without which all these margins stay
positive. Looking at the turned steps alone would not do: each node taken out turns others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from export.precision.agreement import Lines
from export.precision.ties import Tie, close_ties, margins_of
from export.precision.trials import Trials
from export.verify import Probabilities

_MOST_SEGMENTS = 32
_SAFETY = 0.3
"""Share of the usual drift by which a margin is wanted positive: sums are not exactly sums."""


class Drift:
    """Close ties, and what each segment of nodes does to their margins when it is FP16.

    Args:
        half: names of the nodes that are FP16 so far, in the graph's order.
    """

    def __init__(self, half: Sequence[str]) -> None:
        parts = np.array_split(np.array(half, dtype=object), min(len(half), _MOST_SEGMENTS))
        self.segments = [tuple(str(name) for name in part) for part in parts]
        self._ties: list[Tie] = []
        self._margins = np.zeros(0)
        self._changes = np.zeros((len(self.segments), 0))
        self._spread = 0.0

    @property
    def num_ties(self) -> int:
        """Ties looked at so far."""
        return len(self._ties)

    def measure(self, trials: Trials, candidate: Probabilities, lines: Lines) -> None:
        """Add the ties that are close under a form, those it turned among them.

        Args:
            trials: makes the forms of single segments.
            candidate: the form.
            lines: all lines.
        """
        ties, spread = close_ties(trials.reference, candidate, lines)
        self._spread = self._spread or spread
        new = [tie for tie in ties if tie not in set(self._ties)]
        if not new:
            return
        base = margins_of(trials.reference, lines, new)
        columns = np.zeros((len(self.segments), len(new)))
        for row, segment in enumerate(self.segments):
            columns[row] = margins_of(trials.alone(set(segment)), lines, new) - base
        self._ties += new
        self._margins = np.concatenate([self._margins, base])
        self._changes = np.concatenate([self._changes, columns], axis=1)

    def choose(self, candidate: Probabilities, lines: Lines, kept: set[int]) -> list[int]:
        """Segments to keep besides those kept already.

        Args:
            candidate: the present form.
            lines: all lines.
            kept: numbers of segments that are FP32 by now.

        Returns:
            Numbers of segments, at least one while any is left.
        """
        wanted = np.minimum(_SAFETY * self._spread, 0.5 * np.maximum(self._margins, 0))
        missing = wanted - margins_of(candidate, lines, self._ties)
        left = [number for number in range(len(self.segments)) if number not in kept]
        return _fewest(missing, self._changes, left)


def _fewest(
    missing: NDArray[np.float64], changes: NDArray[np.float64], left: list[int]
) -> list[int]:
    """Few segments that take away what is missing, as far as any do: greedily, then pruned.

    Args:
        missing: by how much each margin falls short, negative where it suffices, [ties].
        changes: to be taken out of the margins by keeping a segment, [segments, ties].
        left: numbers of the segments to choose from.
    """
    left = list(left)
    chosen: list[int] = []
    while left and (not chosen or (missing > 0).any()):
        after = missing + changes[left]
        shortfalls = np.maximum(after, 0).sum(axis=1)
        best = int(shortfalls.argmin())
        if chosen and shortfalls[best] >= np.maximum(missing, 0).sum():
            break
        missing = after[best]
        chosen.append(left.pop(best))
    for number in chosen[:-1]:
        without = missing - changes[number]
        if np.maximum(without, 0).sum() <= np.maximum(missing, 0).sum():
            missing = without
            chosen.remove(number)
    return chosen
