"""How far rounding alone carries a network on given lines, and whether it explains a form.

Some networks amplify rounding: their FP32 results move by 1e-2 when sums are taken in another
order, and most of that falls on a few lines. So one distance from FP64 is one draw out of a wide
distribution. Here every line is drawn several times, and a form is held against the draws of the
same line.

Measured on 64 rendered lines, over `models/latin`, `weights/small_start`, PaddleOCR's own
checkpoint of `tests/golden` and networks of random weights, with onnxruntime (optimised or not,
16 lines at once or 1), the inference program and paddle's other kernels:

- the largest distance of all lines: between 0.3 and 5.5 times paddle's, so it tells little;
- the distance of the median line: between 0.6 and 1.3 times that of the draws;
- the distance of one line: up to 2.2 times its largest of five draws.

A wrong conversion moves the median line by hundreds (weights in FP16, one layer off by 1e-3)
to a million times the draws; tests/export/test_wrong_conversions.py has the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.proof.compare import TOLERANCE, Comparison
from export.proof.forms import Form, Probabilities, ProbabilityForm
from export.proof.samples import evenly_spaced, prepared_batches
from runtime.errors import ParityError
from runtime.recognition.preprocess import Image
from runtime.recognition.spec import RecognizerSpec

ALLOWED_TYPICAL = 4.0
"""How many times as far off as the median draw a faithful form may be, on the median line: three
times the largest that was measured."""
ALLOWED_WORST = 16.0
"""How many times as far off as its largest draw any line may be: seven times the largest that was
measured, since one line of thousands may meet a form's most inexact operation."""
UNDECIDED = 0.2
"""Where rounding alone moves the median line's probabilities by more than this, `ALLOWED_TYPICAL`
times as much is about all that a probability can move, and no form could be refused."""
RESOLUTION = 2.0**-22
"""Distances below count as this: two units in the last place of a probability near 1."""

_NUM_DRAWN = 64
"""Lines on which rounding is measured, beside all that differ by more than `TOLERANCE`."""
_NUM_NUDGED_INPUTS = 5


@dataclass(frozen=True)
class Rounding:
    """Distances of a form and of several draws of rounding from one reference, line by line.

    Args:
        draws: largest distance of any probability, float64 [draws, lines].
        candidate: the same of the form, float64 [lines]; infinite where it is no number.
    """

    draws: NDArray[np.float64]
    candidate: NDArray[np.float64]

    @property
    def typical(self) -> float:
        """Of the median line: the form's distance in units of the line's median draw."""
        drawn = np.maximum(np.median(self.draws, axis=0), RESOLUTION)
        return float(np.median(np.maximum(self.candidate, RESOLUTION) / drawn))

    @property
    def worst(self) -> float:
        """Of the line farthest off: the form's distance in units of the line's largest draw."""
        drawn = np.maximum(self.draws.max(axis=0), RESOLUTION)
        return float((np.maximum(self.candidate, RESOLUTION) / drawn).max())

    @property
    def is_decided(self) -> bool:
        """Whether rounding leaves the network determined enough to be compared at all."""
        return bool(np.median(self.draws) <= UNDECIDED)

    @property
    def explains(self) -> bool:
        """Whether the form is no farther off than rounding accounts for."""
        return self.typical <= ALLOWED_TYPICAL and self.worst <= ALLOWED_WORST

    def as_json(self) -> dict[str, Any]:
        """The figures; a ratio that is not finite, which JSON has not, is None."""
        ratios = {"typical": self.typical, "worst": self.worst}
        return {
            "num_lines": int(self.candidate.size),
            "num_draws": int(self.draws.shape[0]),
            "largest_draw": float(self.draws.max()),
            "median_draw": float(np.median(self.draws)),
            **{name: round(one, 2) if np.isfinite(one) else None for name, one in ratios.items()},
        }


def measure_rounding(
    reference: Form,
    draws: Sequence[Form],
    candidates: Sequence[Form],
    spec: RecognizerSpec,
    lines: Sequence[Image],
) -> tuple[Rounding, ...]:
    """Measure draws of rounding and every candidate on the same lines.

    Args:
        reference: what distances are from; every form gives all probabilities.
        draws: the reference in FP32, each rounded in another way.
        candidates: the forms in question.
        spec: of all.
        lines: BGR uint8 [h, w, 3].

    Returns:
        for each candidate its distances beside those of the draws.
    """
    forms = (*draws, *candidates)
    distances = np.zeros((len(forms), len(lines)))
    for positions, batch, width in prepared_batches(lines, spec):
        expected = reference.read(batch, width).probabilities
        for row, form in zip(distances, forms, strict=True):
            row[list(positions)] = _distances(expected, form.read(batch, width).probabilities)
    drawn = distances[: len(draws)]
    return tuple(Rounding(drawn, row) for row in distances[len(draws) :])


def lines_to_draw(lines: Sequence[Image], comparisons: Sequence[Comparison]) -> list[Image]:
    """Those on which rounding has to be measured: some from everywhere, and all that differ."""
    chosen = set(evenly_spaced(range(len(lines)), _NUM_DRAWN))
    for comparison in comparisons:
        chosen |= {
            line.position
            for line in comparison.lines
            if line.expected != line.got or not line.difference <= TOLERANCE
        }
    return [lines[position] for position in sorted(chosen)]


def require_explained(rounding: Rounding, comparison: Comparison, what: str) -> None:
    """Refuse a form whose distance from the network rounding does not account for.

    Args:
        rounding: of the form.
        comparison: of the form with the network, for the message.
        what: names both.

    Raises:
        ParityError: if rounding does not explain it, or is so large that nothing can be told.
    """
    parity = comparison.parity
    texts = f"{parity.num_equal_texts} of {parity.num_lines} texts equal"
    example = f", for example {parity.example}" if parity.example else ""
    if not rounding.explains:
        raise ParityError(
            f"{what} disagree: expected to be as far from the exact network as rounding carries "
            f"it, at most {ALLOWED_TYPICAL:g} times on the median line and {ALLOWED_WORST:g} times "
            f"on any, got {rounding.typical:.3g} and {rounding.worst:.3g} times, {texts}{example} "
            f"and a difference of {parity.max_difference:.3g} on {parity.lines_from}; nothing was "
            "written"
        )
    if not rounding.is_decided:
        raise ParityError(
            f"{what} cannot be compared: expected a network that rounding moves by at most "
            f"{UNDECIDED:g} on the median line, got {np.median(rounding.draws):.3g}, {texts}"
            f"{example}; nothing was written; train the network further, or give lines like "
            "those it was trained on (--images)"
        )


def nudged_inputs(form: ProbabilityForm) -> list[ProbabilityForm]:
    """Return draws of a form whose weights cannot be reached: inputs moved to neighbours in FP32.

    They are held against the form itself, for want of one in FP64; its distance from them and from
    a right conversion are both differences of two draws.
    """
    return [
        replace(
            form,
            name=f"{form.name}, draw {number}",
            probabilities=_nudging(form.probabilities, np.random.default_rng(number)),
        )
        for number in range(_NUM_NUDGED_INPUTS)
    ]


def _nudging(run: Probabilities, generator: np.random.Generator) -> Probabilities:
    return lambda batch: run(nudged(batch, generator))


def nudged(values: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Each value as it is or moved to a neighbour in FP32, at random; zeros stay."""
    steps = generator.integers(-1, 2, values.shape, dtype=np.int8) * (values != 0)
    return (values + steps * np.spacing(values)).astype(np.float32, copy=False)


def _distances(
    expected: NDArray[np.float32] | None, got: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """Largest absolute difference of each of N lines, infinite where one is no number."""
    assert expected is not None and got is not None
    with np.errstate(invalid="ignore"):
        differences = np.abs(expected - got.astype(np.float64))
    largest: NDArray[np.float64] = differences.reshape(len(differences), -1).max(axis=1)
    return np.where(np.isfinite(largest), largest, np.inf)
