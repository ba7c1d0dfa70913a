"""Compares the FP16 form with FP32 on lines: text, classes, probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.precision.report import Agreement, TextDifference
from export.proof.forms import Probabilities, as_probabilities
from runtime.batching import batches_by_width
from runtime.errors import ParityError
from runtime.recognition.ctc import best_path, decode_best_path
from runtime.recognition.preprocess import Image, batch_from_lines, prepare_line
from runtime.recognition.spec import RecognizerSpec

_PIXELS_PER_BATCH = 16 * 32 * 640
"""Bounds the memory of a batch; a line wider than that goes alone."""
_MOST_LINES_PER_BATCH = 16


@dataclass(frozen=True)
class Lines:
    """Line images made ready once, and batched as the runtime does.

    Args:
        spec: of the network.
        prepared: uint8 [H, w, C] each.
        lines_from: what they are.
    """

    spec: RecognizerSpec
    prepared: tuple[Image, ...]
    lines_from: str

    @classmethod
    def of(cls, images: Sequence[Image], spec: RecognizerSpec, lines_from: str) -> Lines:
        """Prepare images, BGR uint8 [h, w, 3]."""
        return cls(spec, tuple(prepare_line(image, spec) for image in images), lines_from)

    def subset(self, numbers: Sequence[int]) -> Lines:
        """Only the lines of these numbers, in their order."""
        chosen = tuple(self.prepared[number] for number in numbers)
        return Lines(self.spec, chosen, self.lines_from)

    def batches(self) -> Iterator[tuple[tuple[int, ...], NDArray[np.float32]]]:
        """Numbers of lines and their batch, float32 [N, C, H, W]."""
        spec = self.spec
        widths = [spec.width.input_width(one.shape[1]) for one in self.prepared]
        groups = batches_by_width(
            zip(widths, self.prepared, strict=True), _MOST_LINES_PER_BATCH, len(widths)
        )
        for group in groups:
            most = max(1, _PIXELS_PER_BATCH // (spec.height * group.width))
            for start in range(0, len(group.lines), most):
                lines = group.lines[start : start + most]
                numbers = group.positions[start : start + most]
                yield numbers, batch_from_lines(lines, group.width, spec.mean, spec.std)


def compare(
    reference: Probabilities, candidate: Probabilities, lines: Lines, tie_tolerance: float = 0.0
) -> Agreement:
    """Run both forms on the same batches.

    Args:
        reference, candidate: float32 [N, C, H, W] -> float32 [N, T, K], probabilities or logits
            as the spec says.
        lines: to compare on.
        tie_tolerance: a line with other text counts as a tie when, at every step where the
            classes differ, the reference prefers its own by no more than this probability.

    Raises:
        ParityError: if the shapes differ.
    """
    differences: list[TextDifference] = []
    num_ties = num_steps = num_equal = num_not_finite = num_values = 0
    largest = total = 0.0
    for numbers, batch in lines.batches():
        expected = as_probabilities(reference(batch), lines.spec)
        got = as_probabilities(candidate(batch), lines.spec)
        if expected.shape != got.shape:
            raise ParityError(
                f"the two forms disagree on the output's shape: expected {expected.shape}, got "
                f"{got.shape} for input {batch.shape}; keep FP32"
            )
        distance = np.abs(expected - got)
        num_not_finite += int((~np.isfinite(got)).sum())
        largest = max(largest, float(np.nan_to_num(distance, nan=np.inf).max()))
        total += float(np.nan_to_num(distance, nan=1.0).sum(dtype=np.float64))
        num_values += distance.size
        num_steps += expected.shape[0] * expected.shape[1]
        num_equal += int((expected.argmax(axis=-1) == got.argmax(axis=-1)).sum())
        for one in _differences(numbers, expected, got, lines.spec):
            if one.margin <= tie_tolerance and tie_tolerance > 0:
                num_ties += 1
            else:
                differences.append(one)
    differences.sort(key=lambda one: one.line)
    return Agreement(
        num_lines=len(lines.prepared),
        num_ties=num_ties,
        differences=tuple(differences),
        num_steps=num_steps,
        num_equal_classes=num_equal,
        num_not_finite=num_not_finite,
        max_difference=largest,
        mean_difference=total / max(num_values, 1),
        lines_from=lines.lines_from,
    )


def _differences(
    numbers: Sequence[int],
    expected: NDArray[np.float32],
    got: NDArray[np.float32],
    spec: RecognizerSpec,
) -> Iterator[TextDifference]:
    (indices, values), (other, other_values) = best_path(expected), best_path(got)
    readings = zip(
        decode_best_path(indices, values, spec.charset),
        decode_best_path(other, other_values, spec.charset),
        strict=True,
    )
    for row, (number, (first, second)) in enumerate(zip(numbers, readings, strict=True)):
        if first.text == second.text:
            continue
        steps = np.flatnonzero(indices[row] != other[row])
        other_classes = other[row, steps]
        margins = values[row, steps] - expected[row, steps, other_classes]
        yield TextDifference(number, first.text, second.text, float(margins.max()))
