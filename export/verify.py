"""Compares two forms of one network on line images: probabilities, best path and text."""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.forms import Form, Outputs, Probabilities, ProbabilityForm
from runtime.batching import batches_by_width
from runtime.charset import Charset
from runtime.ctc import decode_best_path
from runtime.errors import OcrError, ParityError
from runtime.images import find_images, read_image
from runtime.preprocess import Image, prepare_line
from runtime.spec import RecognizerSpec

TOLERANCE = 1e-5
"""On any probability, between two forms that compute in FP32."""
INEXACT_TOLERANCE = 0.05
"""On any probability, where FP16 is in play; text has to be equal all the same."""
BATCH_SIZE = 16
_NUM_RENDERED = 64

log = logging.getLogger("export")


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

    def worst(self, count: int) -> list[ComparedLine]:
        """The lines that differ most, the worst first."""
        return heapq.nlargest(count, self.lines, key=lambda line: line.badness)


def compare(
    reference: Probabilities,
    candidate: Probabilities,
    spec: RecognizerSpec,
    lines: Sequence[Image],
    lines_from: str,
) -> Parity:
    """`compare_forms` of two functions from a normalised batch to probabilities."""
    return compare_forms(
        ProbabilityForm("reference", spec, reference),
        ProbabilityForm("candidate", spec, candidate),
        spec,
        lines,
        lines_from,
    ).parity


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


def prepared_batches(
    lines: Iterable[Image], spec: RecognizerSpec, batch_size: int = BATCH_SIZE
) -> Iterator[tuple[tuple[int, ...], tuple[Image, ...], int]]:
    """Lines as the runtime would prepare and batch them.

    Args:
        lines: BGR uint8 [h, w, 3].
        spec: of the network.
        batch_size: N at most.

    Returns:
        for each batch the lines' positions, the prepared lines and W in px.
    """
    prepared = (prepare_line(line, spec) for line in lines)
    widths = ((spec.width.input_width(one.shape[1]), one) for one in prepared)
    for group in batches_by_width(widths, batch_size):
        yield group.positions, group.lines, group.width


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


def comparison_lines(paths: Sequence[str | Path], charset: Charset) -> tuple[list[Image], str]:
    """Lines to compare on: the images of `paths`, or rendered ones when there are none.

    Raises:
        ParityError: if paths are given and none of them can be read.
    """
    if not paths:
        return _rendered_lines(charset)
    named, _ = readable_lines(paths)
    return list(named.values()), f"{len(named)} images"


def readable_lines(paths: Sequence[str | Path]) -> tuple[Mapping[str, Image], int]:
    """The images that can be read, by their paths, and how many cannot.

    Raises:
        ParityError: if none can.
    """
    lines: dict[str, Image] = {}
    num_unreadable = 0
    for path in find_images(paths):
        try:
            lines[path] = read_image(path)
        except OcrError as error:  # a broken image says nothing about the network
            log.warning("left out: %s", error)
            num_unreadable += 1
    if not lines:
        raise ParityError(
            f"no readable image in {', '.join(map(str, paths))}: expected line images to compare "
            "on; check --images"
        )
    return lines, num_unreadable


def _rendered_lines(charset: Charset) -> tuple[list[Image], str]:
    try:
        from training.data.synthetic import SyntheticDataSet
    except ImportError as error:
        raise ParityError(
            f"lines to compare on cannot be rendered here ({error}): give some with --images, or "
            "pip install 'distilrec[train]'"
        ) from error
    try:
        rendered = SyntheticDataSet(charset.characters, count=_NUM_RENDERED, seed=0)
        return [rendered.line(index)[0] for index in range(len(rendered))], "rendered lines"
    except OcrError:
        rng = np.random.default_rng(0)
        widths = rng.integers(16, 480, _NUM_RENDERED)
        noise = [rng.integers(0, 256, (32, width, 3)).astype(np.uint8) for width in widths]
        return noise, "noise, because no font here has these characters"
