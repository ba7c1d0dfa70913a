"""Time steps at which FP32 itself hardly prefers one class, and their margins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.precision.agreement import Lines, as_probabilities
from export.verify import Probabilities
from runtime.ctc import decode_best_path
from runtime.spec import RecognizerSpec

_CLOSE = 2.0
"""A margin is close when it is at most this many times the usual drift."""
_MOST_TIES = 64
"""So many of the closest are looked at, which bounds the time."""
_LOOKED_AT = 0.5
"""Log margins up to this are looked at to find the usual drift."""
_WORST = -50.0
"""Stands for a margin that is not a number."""


class Tie(NamedTuple):
    """A time step that two classes dispute.

    Args:
        line: number of the line.
        step: time step.
        first: class that FP32 prefers.
        second: the other one.
    """

    line: int
    step: int
    first: int
    second: int


def close_ties(
    reference: Probabilities, candidate: Probabilities, lines: Lines
) -> tuple[list[Tie], float]:
    """Steps at which rounding may turn the reading, those where it did among them.

    Args:
        reference: FP32.
        candidate: the FP16 form.
        lines: all lines.

    Returns:
        the ties whose turning changes text, and the usual drift of a log margin.
    """
    found: list[tuple[Tie, float, bool]] = []
    drifts: list[float] = []
    for numbers, batch in lines.batches():
        expected = _logarithms(reference(batch), lines.spec)
        got = _logarithms(candidate(batch), lines.spec)
        paths = expected.argmax(axis=-1)
        seconds = np.argpartition(expected, -2, axis=-1)[..., -2]
        others = got.argmax(axis=-1)
        rivals = np.where(others != paths, others, seconds)
        margins, now = (_between(scores, paths, rivals) for scores in (expected, got))
        for row, step in np.argwhere((margins < _LOOKED_AT) | (others != paths)):
            tie = Tie(numbers[row], int(step), int(paths[row, step]), int(rivals[row, step]))
            if others[row, step] == paths[row, step]:
                drifts.append(float(now[row, step] - margins[row, step]))
            if _changes_text(paths[row], tie, lines.spec):
                is_turned = bool(others[row, step] != paths[row, step])
                found.append((tie, float(margins[row, step]), is_turned))
    spread = float(np.std(np.nan_to_num(drifts))) if drifts else 0.0
    close = sorted((not turned, margin, tie) for tie, margin, turned in found)
    chosen = [tie for steady, margin, tie in close if not steady or margin < _CLOSE * spread]
    return chosen[:_MOST_TIES], spread


def margins_of(form: Probabilities, lines: Lines, ties: Sequence[Tie]) -> NDArray[np.float64]:
    """log p(first) - log p(second) at each tie, float [ties]."""
    wanted = sorted({tie.line for tie in ties})
    scores: dict[int, NDArray[np.float32]] = {}
    for numbers, batch in lines.subset(wanted).batches():
        logarithms = _logarithms(form(batch), lines.spec)
        scores.update(
            {wanted[number]: one for number, one in zip(numbers, logarithms, strict=True)}
        )
    margins = [
        scores[tie.line][tie.step, tie.first] - scores[tie.line][tie.step, tie.second]
        for tie in ties
    ]
    return np.nan_to_num(np.array(margins, dtype=np.float64), nan=_WORST).clip(_WORST, -_WORST)


def _changes_text(path: NDArray[np.int64], tie: Tie, spec: RecognizerSpec) -> bool:
    turned = path.copy()
    turned[tie.step] = tie.second
    both = np.stack([path, turned])
    before, after = decode_best_path(both, np.ones(both.shape), spec.charset)
    return before.text != after.text


def _between(
    scores: NDArray[np.float32], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float32]:
    one, other = (
        np.take_along_axis(scores, classes[..., np.newaxis], axis=-1)[..., 0]
        for classes in (first, second)
    )
    return one - other


def _logarithms(scores: NDArray[np.float32], spec: RecognizerSpec) -> NDArray[np.float32]:
    logarithms: NDArray[np.float32] = np.log(np.maximum(as_probabilities(scores, spec), 1e-30))
    return logarithms
