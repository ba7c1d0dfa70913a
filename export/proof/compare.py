"""Compares two forms of one network on images: probabilities, decisions, and what is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.contract import ModelContract
from export.proof.outputs import Form, Outputs
from export.proof.samples import Samples, batches_shown
from runtime.errors import ParityError

TOLERANCE = 1e-5
"""On any probability, between two forms that compute in FP32."""
INEXACT_TOLERANCE = 0.05
"""On any probability, where FP16 is in play; readings have to be equal all the same."""
_MOST_EXAMPLES = 5
_MOST_SHOWN = 40


@dataclass(frozen=True)
class ComparedSample:
    """One sample in both forms.

    Args:
        position: among the samples.
        expected, got: what the reference and the candidate read.
        difference: largest absolute difference of any probability; infinite when one is NaN.
        margin: by how much the reference preferred its decision, as a probability, at the most
            disputed place; 0.0 where all decisions agree.
    """

    position: int
    expected: Any
    got: Any
    difference: float
    margin: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Tell whether both forms read the same."""
        return bool(self.expected == self.got)

    @property
    def badness(self) -> tuple[bool, float]:
        """To sort by: another reading is worse than any difference of numbers."""
        return not self.is_equal, self.difference


@dataclass(frozen=True)
class Agreement:
    """How far two forms of a network agree.

    Args:
        samples: one by one, in their order.
        samples_from: what they were.
        num_decisions, num_equal_decisions: places at which something was chosen, e.g. time steps,
            and those where both forms chose the same.
        num_not_finite: values of the candidate that are NaN or infinite.
        max_difference, mean_difference: of the probabilities, absolute.
        compares: `probabilities` of everything, or of the `best path` alone.
        tie_tolerance: another reading counts as a tie when, wherever the decisions differ, the
            reference prefers its own by no more than this probability.
    """

    samples: tuple[ComparedSample, ...]
    samples_from: str
    num_decisions: int = 0
    num_equal_decisions: int = 0
    num_not_finite: int = 0
    max_difference: float = 0.0
    mean_difference: float = 0.0
    compares: str = "probabilities"
    tie_tolerance: float = 0.0

    @property
    def num_samples(self) -> int:
        """How many were compared."""
        return len(self.samples)

    @property
    def differences(self) -> list[ComparedSample]:
        """The samples read differently, ties left out."""
        return [
            sample for sample in self.samples if not sample.is_equal and not self._is_tie(sample)
        ]

    @property
    def num_ties(self) -> int:
        """Samples with another reading where the reference hardly preferred its own."""
        return sum(not sample.is_equal and self._is_tie(sample) for sample in self.samples)

    @property
    def num_equal(self) -> int:
        """Samples that both forms read the same."""
        return sum(sample.is_equal for sample in self.samples)

    @property
    def is_equal(self) -> bool:
        """Tell whether every sample reads the same, ties aside, and every value is a number."""
        return not self.differences and not self.num_not_finite

    @property
    def is_vacuous(self) -> bool:
        """Tell whether the reference reads all of several samples alike, nothing for instance.

        That another form does so too says little about the others' work.
        """
        expected = [sample.expected for sample in self.samples]
        return len(expected) > 1 and all(reading == expected[0] for reading in expected)

    @property
    def caution(self) -> str:
        """Say of a vacuous comparison that it is one; empty of others."""
        if not self.is_vacuous:
            return ""
        return (
            f"the proof is vacuous: all {self.num_samples} images read alike, as "
            f"{str(self.samples[0].expected)[:_MOST_SHOWN]!r}, which shows little; "
            "expected a trained network and images that it reads: train on, or name some with "
            "--images"
        )

    @property
    def most_disputed(self) -> float:
        """The largest margin of any difference, 0.0 without differences."""
        return max((sample.margin for sample in self.differences), default=0.0)

    @property
    def example(self) -> str:
        """The two readings of the worst sample read differently, empty without one."""
        worst = max(self.differences, key=lambda sample: sample.difference, default=None)
        return f"{worst.expected!r} against {worst.got!r}" if worst else ""

    def is_within(self, tolerance: float) -> bool:
        """Tell whether every reading is equal and no probability differs by more."""
        return not self.differences and self.max_difference <= tolerance

    def as_json(self) -> dict[str, Any]:
        """Return the figures, and a few of the differences; what JSON cannot hold is None."""
        figures = {name: value for name, value in vars(self).items() if name != "samples"}
        figures |= {
            "num_samples": self.num_samples,
            "num_equal": self.num_equal,
            "num_ties": self.num_ties,
            "is_vacuous": self.is_vacuous,
        }
        examples = [
            _replace_non_finite(asdict(sample)) for sample in self.differences[:_MOST_EXAMPLES]
        ]
        return {**_replace_non_finite(figures), "differences": examples}

    def _is_tie(self, sample: ComparedSample) -> bool:
        return self.tie_tolerance > 0 and sample.margin <= self.tie_tolerance


def compare(
    reference: Form,
    candidate: Form,
    contract: ModelContract,
    samples: Samples,
    tie_tolerance: float = 0.0,
) -> Agreement:
    """Run both forms on the same batches; see `compare_all`."""
    return compare_all(reference, [candidate], contract, samples, tie_tolerance)[0]


def compare_all(
    reference: Form,
    candidates: Sequence[Form],
    contract: ModelContract,
    samples: Samples,
    tie_tolerance: float = 0.0,
) -> list[Agreement]:
    """Run a reference once, and every candidate on the same batches.

    Args:
        reference: gives all probabilities where ties are to be recognised.
        candidates: the others.
        contract: of all.
        samples: to compare on.
        tie_tolerance: as `Agreement`.

    Returns:
        the agreement of each candidate with the reference.

    Raises:
        ParityError: if they disagree on the shape of the output.
    """
    tallies = [_Tally(contract) for _ in candidates]
    for batch in batches_shown(samples, "comparing"):
        expected = reference.read(batch)
        for candidate, tally in zip(candidates, tallies, strict=True):
            got = candidate.read(batch)
            if expected.decisions.shape != got.decisions.shape:
                raise ParityError(
                    f"{reference.name} and {candidate.name} disagree on the output's shape: "
                    f"expected {expected.decisions.shape} decisions, got {got.decisions.shape} "
                    f"for an input of {list(batch.inputs.shape)}"
                )
            tally.add(batch.positions, expected, got)
    return [tally.agreement(samples.samples_from, tie_tolerance) for tally in tallies]


class _Tally:
    """What has been compared of two forms so far."""

    def __init__(self, contract: ModelContract) -> None:
        self.contract = contract
        self.compared: list[ComparedSample] = []
        self.total, self.num_values, self.num_not_finite = 0.0, 0, 0
        self.num_equal, self.num_decisions = 0, 0
        self.compares = "probabilities"

    def add(self, positions: Sequence[int], expected: Outputs, got: Outputs) -> None:
        """Add the samples of a batch."""
        distances = _distances(expected, got)
        if not (expected.is_whole and got.is_whole):
            self.compares = "best path"
        self.total += float(np.nan_to_num(distances, nan=1.0, posinf=1.0).sum(dtype=np.float64))
        self.num_values += distances.size
        self.num_not_finite += int((~np.isfinite(got.values)).sum())
        self.num_equal += int((expected.decisions == got.decisions).sum())
        self.num_decisions += expected.decisions.size
        # A distance that is no number has to count as the worst, not to vanish in a maximum.
        largest = distances.reshape(len(distances), -1).max(axis=1)
        largest = np.where(np.isfinite(largest), largest, np.inf).tolist()
        margins = (
            self.contract.margins(expected, got) if expected.is_whole else np.zeros(len(largest))
        ).tolist()
        rows = (positions, expected.readings, got.readings, largest, margins)
        self.compared += [ComparedSample(*row) for row in zip(*rows, strict=True)]

    def agreement(self, samples_from: str, tie_tolerance: float) -> Agreement:
        """Return what came out."""
        self.compared.sort(key=lambda sample: sample.position)
        return Agreement(
            samples=tuple(self.compared),
            samples_from=samples_from,
            num_decisions=self.num_decisions,
            num_equal_decisions=self.num_equal,
            num_not_finite=self.num_not_finite,
            max_difference=max((sample.difference for sample in self.compared), default=0.0),
            mean_difference=self.total / max(1, self.num_values),
            compares=self.compares,
            tie_tolerance=tie_tolerance,
        )


def require(agreement: Agreement, what: str, tolerance: float = TOLERANCE) -> None:
    """Refuse two forms that disagree.

    Raises:
        ParityError: unless every reading is equal and no probability differs by more than
            `tolerance`.
    """
    if agreement.is_within(tolerance):
        return
    raise ParityError(
        f"{what} disagree: expected equal readings and probabilities within {tolerance:g}, got "
        f"{difference_text(agreement)}; nothing was written"
    )


def difference_text(agreement: Agreement) -> str:
    """Say in words how far two forms agree, for an error."""
    example = f", for example {agreement.example}" if agreement.example else ""
    return (
        f"{agreement.num_equal} of {agreement.num_samples} readings equal{example} and a "
        f"difference of {agreement.max_difference:.3g} on {agreement.samples_from}"
    )


def _distances(expected: Outputs, got: Outputs) -> NDArray[np.float32]:
    """Return absolute differences; not a number where either is not."""
    with np.errstate(invalid="ignore"):
        if expected.is_whole == got.is_whole:
            return np.abs(expected.values - got.values)
        # Of one form the best alone is known: that is what the other thinks of its own choice.
        return np.abs(_best_values(expected) - _best_values(got))


def _best_values(outputs: Outputs) -> NDArray[np.float32]:
    return outputs.values.max(axis=-1) if outputs.is_whole else outputs.values


def _replace_non_finite(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in figures.items()
    }
