"""Which nodes to keep when no single one is guilty: those that add most to the error.

Where FP32 hardly prefers one class, the sum of all roundings turns the reading. Nor can it be told
which nodes would turn it back: with any of them in FP32, all later ones round other values. What
helps is less rounding, so the error of each node alone is measured once, and nodes are kept, the
worst first, until the errors' squares, which add up, are halved; and again while text differs.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from export.precision.trials import Trials
from export.proof.samples import Samples, batches_shown

_MOST_SEGMENTS = 32
_MOST_SAMPLES = 8


class Errors:
    """Squared error that each segment of nodes brings when it alone is FP16.

    Args:
        trials: makes the forms.
        half: names of the nodes in question, in the graph's order.
        samples: of which the first few are measured on.
    """

    def __init__(self, trials: Trials, half: Sequence[str], samples: Samples) -> None:
        parts = np.array_split(np.array(half, dtype=object), min(len(half), _MOST_SEGMENTS))
        segments = [tuple(str(name) for name in part) for part in parts]
        few = samples.subset(range(min(len(samples), _MOST_SAMPLES)))
        measured = [
            (0.0 if trials.is_spent else _squared_error(trials, set(names), few), names)
            for names in segments
        ]
        self._segments = sorted(measured, key=lambda segment: -segment[0])
        """Error and names, the worst first."""

    def worst(self, kept: Set[str]) -> list[str]:
        """Return nodes whose keeping halves the squared error of what is FP16 yet, at least one.

        Args:
            kept: names of nodes that are FP32 by now.
        """
        left = [segment for segment in self._segments if not set(segment[1]) <= kept]
        target = sum(error for error, _ in left) / 2
        chosen: list[str] = []
        for error, names in left:
            if chosen and target <= 0:
                break
            chosen += names
            target -= error
        return chosen


def _squared_error(trials: Trials, half: set[str], samples: Samples) -> float:
    form = trials.alone(half)
    total, count = 0.0, 0
    for batch in batches_shown(samples, "measuring nodes"):
        expected = trials.reference.probabilities(batch.inputs)
        distance = np.nan_to_num(
            form.probabilities(batch.inputs).astype(np.float64) - expected, nan=1
        )
        total += float((distance**2).sum())
        count += distance.size
    return total / max(count, 1)
