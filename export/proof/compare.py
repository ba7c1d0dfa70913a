"""Compares two forms of one network on line images: probabilities, best path and text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.proof.forms import Form, Outputs
from export.proof.samples import prepared_batches
from runtime.errors import ParityError
from runtime.recognition.charset import Charset
from runtime.recognition.ctc import decode_best_path
from runtime.recognition.preprocess import Image
from runtime.recognition.spec import RecognizerSpec

TOLERANCE = 1e-5
"""On any probability, between two forms that compute in FP32."""
INEXACT_TOLERANCE = 0.05
"""On any probability, where FP16 is in play; text has to be equal all the same."""


@dataclass(frozen=True)
class ComparedLine:
    """One line in both forms.

    Args:
        position: in the lines given.
        expected, got: what the reference and the candidate read.
        difference: largest absolute difference of any probability; infinite when one is NaN.
    """

    position: int
    expected: str
    got: str
    difference: float

    @property
    def badness(self) -> tuple[bool, float]:
        """To sort by: another text is worse than any difference of numbers."""
        return self.expected != self.got, self.difference


@dataclass(frozen=True)
class Parity:
    """How far two forms of a network agree.

    Args:
        num_lines: lines compared.
        num_equal_texts: lines that both read the same.
        max_difference: largest absolute difference of any probability.
        lines_from: what the lines were.
        mean_difference: mean absolute difference of all probabilities.
        argmax_agreement: share of the time steps whose largest class is the same.
        compares: `probabilities` of every class, or of the `best path` alone.
        example: the two texts of the worst line whose texts differ.
    """

    num_lines: int
    num_equal_texts: int
    max_difference: float
    lines_from: str
    mean_difference: float = 0.0
    argmax_agreement: float = 1.0
    compares: str = "probabilities"
    example: str = ""

    def as_json(self) -> dict[str, Any]:
        """The figures; one that is not finite, which JSON has not, is None."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }

    def is_within(self, tolerance: float) -> bool:
        """Whether every text is equal and no probability differs by more."""
        return self.num_equal_texts == self.num_lines and self.max_difference <= tolerance


@dataclass(frozen=True)
class Comparison:
    """Two forms on the same lines.

    Args:
        lines: one by one, in their order.
        parity: the summary.
    """

    lines: tuple[ComparedLine, ...]
    parity: Parity


def compare_forms(
    reference: Form,
    candidate: Form,
    spec: RecognizerSpec,
    lines: Sequence[Image],
    lines_from: str,
) -> Comparison:
    """Run both forms on the same batches.

    Args:
        reference, candidate: the two.
        spec: of both.
        lines: BGR uint8 [h, w, 3].
        lines_from: what they are, for the report.

    Raises:
        ParityError: if they disagree on the shape of the output.
    """
    compared: list[ComparedLine] = []
    total, num_values, num_equal_steps, num_steps = 0.0, 0, 0, 0
    compares = "probabilities"
    for positions, batch, width in prepared_batches(lines, spec):
        expected, got = reference.read(batch, width), candidate.read(batch, width)
        if expected.classes.shape != got.classes.shape:
            raise ParityError(
                f"{reference.name} and {candidate.name} disagree on the output's shape: expected "
                f"{expected.classes.shape} classes, got {got.classes.shape} for {len(batch)} "
                f"lines of {width} px"
            )
        differences = _differences(expected, got)
        if expected.probabilities is None or got.probabilities is None:
            compares = "best path"
        total += float(differences.sum(dtype=np.float64))
        num_values += differences.size
        num_equal_steps += int((expected.classes == got.classes).sum())
        num_steps += expected.classes.size
        largest = differences.reshape(len(batch), -1).max(axis=1)
        texts = zip(_texts(expected, spec.charset), _texts(got, spec.charset), strict=True)
        for position, (first, second), one in zip(positions, texts, largest, strict=True):
            difference = float(one) if np.isfinite(one) else float("inf")
            compared.append(ComparedLine(position, first, second, difference))
    compared.sort(key=lambda line: line.position)
    different = [one for one in compared if one.expected != one.got]
    example = max(different, key=lambda line: line.difference, default=None)
    parity = Parity(
        num_lines=len(lines),
        num_equal_texts=len(compared) - len(different),
        max_difference=max((one.difference for one in compared), default=0.0),
        lines_from=lines_from,
        mean_difference=total / max(1, num_values),
        argmax_agreement=num_equal_steps / max(1, num_steps),
        compares=compares,
        example=f"{example.expected!r} against {example.got!r}" if example else "",
    )
    return Comparison(tuple(compared), parity)


def _differences(expected: Outputs, got: Outputs) -> NDArray[np.float32]:
    """Absolute differences; not a number where either is not."""
    with np.errstate(invalid="ignore"):
        if expected.probabilities is not None and got.probabilities is not None:
            return np.abs(expected.probabilities - got.probabilities)
        return np.abs(expected.confidences - got.confidences)


def _texts(outputs: Outputs, charset: Charset) -> list[str]:
    decoded = decode_best_path(outputs.classes, outputs.confidences, charset)
    return [line.text for line in decoded]


def require(parity: Parity, what: str, tolerance: float = TOLERANCE) -> None:
    """Refuse two forms that disagree.

    Raises:
        ParityError: unless every text is equal and no probability differs by more than
            `tolerance`.
    """
    if parity.is_within(tolerance):
        return
    example = f", for example {parity.example}" if parity.example else ""
    raise ParityError(
        f"{what} disagree: expected equal text and probabilities within {tolerance:g}, got "
        f"{parity.num_equal_texts} of {parity.num_lines} texts equal{example} and a difference of "
        f"{parity.max_difference:.3g} on {parity.lines_from}; nothing was written"
    )
