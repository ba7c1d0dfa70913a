"""How far rounding alone carries a network on given lines, and whether it explains a form.

Some networks amplify rounding: their FP32 results move by 1e-2 when sums are taken in another
order, and most of that falls on a few lines. So one distance from FP64 is one draw out of a wide
distribution. Here every line is drawn several times, and a form is held against the draws of the
same line.

Measured on 64 rendered lines, over `models/latin`, `weights/small_start`, PaddleOCR's own
checkpoint of `tests/golden` and networks of random weights, with onnxruntime (optimised or not,
16 lines at once or 1), the inference program and paddle's other kernels:

- the largest distance of all lines: between 0.3 and 5.5 times paddle's, so it tells little;
- the distance of the median line: between 0.4 and 1.3 times that of the draws;
- the distance of one line: up to 2.5 times its largest of five draws.

Networks of random weights that read another text once rounded otherwise reach 15 times on a line,
and more where a line falls to either of two texts: such lines are drawn further and wider. Of 108
faithful forms of 36 random networks one draw for all lines refused 23, this way none is. A wrong
conversion moves the median line by hundreds (weights in FP16, one layer off by 1e-3) to a million
times the draws; tests/export/test_wrong_conversions.py has the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.proof.compare import TOLERANCE, Agreement, difference_text
from export.proof.forms import ScoreForm
from export.proof.outputs import Form
from export.proof.samples import Samples, batches_shown, evenly_spaced
from runtime.errors import ParityError

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
NUM_WIDER, WIDER_STEPS = 12, 4
"""Draws where five do not do, and by how many numbers of FP32 they move a value at most."""


@dataclass(frozen=True)
class Rounding:
    """Distances of a form and of several draws of rounding from one reference, line by line.

    Args:
        draws: largest distance of any probability, float64 [draws, lines].
        candidate: the same of the form, float64 [lines]; infinite where it is no number.
        wider: the largest distance of further and wider draws, float64 [lines]; 0.0 where there
            was no need of any.
    """

    draws: NDArray[np.float64]
    candidate: NDArray[np.float64]
    wider: NDArray[np.float64] | None = None

    @property
    def outliers(self) -> NDArray[np.int64]:
        """Numbers of the lines on which the form is farther off than its draws allow."""
        drawn = np.maximum(self.draws.max(axis=0), RESOLUTION)
        return np.flatnonzero(self.candidate > ALLOWED_WORST * drawn)

    @property
    def typical(self) -> float:
        """Of the median line: the form's distance in units of the line's median draw."""
        drawn = np.maximum(np.median(self.draws, axis=0), RESOLUTION)
        return float(np.median(np.maximum(self.candidate, RESOLUTION) / drawn))

    @property
    def worst(self) -> float:
        """Of the line farthest off: the form's distance in units of the line's largest draw."""
        drawn = np.maximum(self.draws.max(axis=0), RESOLUTION)
        if self.wider is not None:
            drawn = np.maximum(drawn, self.wider)
        return float((np.maximum(self.candidate, RESOLUTION) / drawn).max())

    @property
    def is_decided(self) -> bool:
        """Tell whether rounding leaves the network determined enough to be compared at all."""
        return bool(np.median(self.draws) <= UNDECIDED)

    @property
    def explains(self) -> bool:
        """Tell whether the form is no farther off than rounding accounts for."""
        return self.typical <= ALLOWED_TYPICAL and self.worst <= ALLOWED_WORST

    def as_json(self) -> dict[str, Any]:
        """Return the figures; a ratio that is not finite, which JSON has not, is None."""
        ratios = {"typical": self.typical, "worst": self.worst}
        return {
            "num_samples": int(self.candidate.size),
            "num_draws": int(self.draws.shape[0]),
            "largest_draw": float(self.draws.max()),
            "median_draw": float(np.median(self.draws)),
            "num_unstable": 0 if self.wider is None else int((self.wider > 0).sum()),
            **{
                name: round(ratio, 2) if np.isfinite(ratio) else None
                for name, ratio in ratios.items()
            },
        }


def measure_rounding(
    reference: Form,
    draws: Sequence[Form],
    candidates: Sequence[Form],
    samples: Samples,
    widen: Callable[[], Sequence[Form]] | None = None,
) -> tuple[Rounding, ...]:
    """Measure draws of rounding and every candidate on the same lines.

    Args:
        reference: what distances are from; every form gives all probabilities.
        draws: the reference in FP32, each rounded in another way.
        candidates: the forms in question.
        samples: to measure on.
        widen: makes further and wider draws, for lines on which a candidate is an outlier while
            it is right on the median line: some recurrent networks fall to either of two texts,
            and five draws may all fall to one.

    Returns:
        for each candidate its distances beside those of the draws.
    """
    distances = _all_distances(reference, (*draws, *candidates), samples)
    drawn = distances[: len(draws)]
    roundings = [Rounding(drawn, row) for row in distances[len(draws) :]]
    is_doubtful = [
        rounding.outliers.size > 0 and rounding.typical <= ALLOWED_TYPICAL for rounding in roundings
    ]
    if widen is None or not any(is_doubtful):
        return tuple(roundings)
    chosen = np.unique(
        np.concatenate([*compress((rounding.outliers for rounding in roundings), is_doubtful)])
    )
    wider = np.zeros(len(samples))
    few = samples.subset(chosen.tolist())
    wider[chosen] = _all_distances(reference, widen(), few).max(axis=0)
    return tuple(
        replace(rounding, wider=wider) if doubtful else rounding
        for rounding, doubtful in zip(roundings, is_doubtful, strict=True)
    )


def _all_distances(reference: Form, forms: Sequence[Form], samples: Samples) -> NDArray[np.float64]:
    """Return the largest distance of every form on every sample, [forms, samples]."""
    distances = np.zeros((len(forms), len(samples)))
    for batch in batches_shown(samples, "measuring rounding"):
        expected = reference.read(batch).values
        for row, form in zip(distances, forms, strict=True):
            row[list(batch.positions)] = _distances(expected, form.read(batch).values)
    return distances


def samples_to_draw(samples: Samples, agreements: Sequence[Agreement]) -> Samples:
    """Choose where rounding has to be measured: some from everywhere, and all that differ."""
    chosen = set(evenly_spaced(range(len(samples)), _NUM_DRAWN))
    for agreement in agreements:
        chosen |= {
            sample.position
            for sample in agreement.samples
            if not sample.is_equal or not sample.difference <= TOLERANCE
        }
    return samples.subset(sorted(chosen))


def require_explained(rounding: Rounding, agreement: Agreement, what: str) -> None:
    """Refuse a form whose distance from the network rounding does not account for.

    Args:
        rounding: of the form.
        agreement: of the form with the network, for the message.
        what: names both.

    Raises:
        ParityError: if rounding does not explain it, or is so large that nothing can be told.
    """
    if not rounding.explains:
        raise ParityError(
            f"{what} disagree: expected to be as far from the exact network as rounding carries "
            f"it, at most {ALLOWED_TYPICAL:g} times on the median line and {ALLOWED_WORST:g} times "
            f"on any, got {rounding.typical:.3g} and {rounding.worst:.3g} times, "
            f"{difference_text(agreement)}; nothing was written"
        )
    if not rounding.is_decided:
        raise ParityError(
            f"{what} cannot be compared: expected a network that rounding moves by at most "
            f"{UNDECIDED:g} on the median line, got {np.median(rounding.draws):.3g}, "
            f"{difference_text(agreement)}; nothing was written; train the network further, or "
            "give images like those it was trained on (--images)"
        )


def nudged_inputs(form: ScoreForm) -> list[ScoreForm]:
    """Return draws of a form whose weights cannot be reached: inputs moved to neighbours in FP32.

    They are held against the form itself, for want of one in FP64; its distance from them and from
    a right conversion are both differences of two draws.
    """
    return [_nudge_inputs_of(form, number, most_steps=1) for number in range(_NUM_NUDGED_INPUTS)]


def widely_nudged_inputs(form: ScoreForm) -> list[ScoreForm]:
    """Return further and wider draws of such a form, for `measure_rounding`."""
    numbers = range(_NUM_NUDGED_INPUTS, _NUM_NUDGED_INPUTS + NUM_WIDER)
    return [_nudge_inputs_of(form, number, most_steps=WIDER_STEPS) for number in numbers]


def _nudge_inputs_of(form: ScoreForm, seed: int, most_steps: int) -> ScoreForm:
    generator, run = np.random.default_rng(seed), form.run

    def moved(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return run(nudged(batch, generator, most_steps))

    return replace(form, name=f"{form.name}, draw {seed}", run=moved)


def nudged(
    values: NDArray[np.float32], generator: np.random.Generator, most_steps: int = 1
) -> NDArray[np.float32]:
    """Move each value by up to `most_steps` numbers of FP32, at random; zeros stay."""
    steps = generator.integers(-most_steps, most_steps + 1, values.shape, dtype=np.int8)
    steps *= values != 0
    return (values + steps * np.spacing(values)).astype(np.float32, copy=False)


def _distances(expected: NDArray[np.float32], got: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the largest absolute difference of each of N samples, infinite for what is NaN."""
    with np.errstate(invalid="ignore"):
        differences = np.abs(expected - got.astype(np.float64))
    largest: NDArray[np.float64] = differences.reshape(len(differences), -1).max(axis=1)
    return np.where(np.isfinite(largest), largest, np.inf)
