"""Finds the nodes that change a reading by being FP16 while all others are FP32."""

from __future__ import annotations

from collections.abc import Sequence

from export.precision.trials import Trials
from export.proof.compare import ComparedSample
from export.proof.samples import Samples


def guilty_nodes(
    trials: Trials, half: Sequence[str], samples: Samples
) -> dict[str, ComparedSample | None]:
    """Bisect the nodes: halve each segment that spoils a reading when it alone is FP16.

    Args:
        trials: what makes the forms.
        half: names of the nodes in question, in the graph's order.
        samples: that are read wrongly when all of them are FP16.

    Returns:
        Guilty nodes, each with a sample that it spoils, or None where it made NaN or infinity
        without changing a reading. Empty when only the combination of several segments fails. A
        segment that fails while neither of its halves does is given whole when it is short.
    """
    found: dict[str, ComparedSample | None] = {}
    waiting = [tuple(half)]
    while waiting and not trials.is_spent:
        segment = waiting.pop()
        agreement = trials.compare(trials.alone(set(segment)), samples)
        if agreement.is_equal:
            continue
        if len(segment) == 1:
            found[segment[0]] = agreement.differences[0] if agreement.differences else None
            continue
        middle = len(segment) // 2
        waiting += [segment[middle:], segment[:middle]]
    return found
