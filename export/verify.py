"""Compares two forms of one network on line images: probabilities and text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.batching import batches_by_width
from runtime.charset import Charset
from runtime.ctc import best_path, decode_best_path
from runtime.errors import OcrError, ParityError
from runtime.images import find_images, read_image
from runtime.preprocess import Image, batch_from_lines, prepare_line
from runtime.spec import RecognizerSpec

Probabilities = Callable[[NDArray[np.float32]], NDArray[np.float32]]
TOLERANCE = 1e-5
BATCH_SIZE = 16
_NUM_RENDERED = 64


@dataclass(frozen=True)
class Parity:
    """How far two forms of a network agree.

    Args:
        num_lines: lines compared.
        num_equal_texts: lines that both read the same.
        max_difference: largest absolute difference of any probability.
        lines_from: what the lines were.
    """

    num_lines: int
    num_equal_texts: int
    max_difference: float
    lines_from: str

    def as_json(self) -> dict[str, Any]:
        """The figures."""
        return asdict(self)


def compare(
    reference: Probabilities,
    candidate: Probabilities,
    spec: RecognizerSpec,
    lines: Sequence[Image],
    lines_from: str,
) -> Parity:
    """Run both forms on the same batches.

    Args:
        reference, candidate: float32 [N, C, H, W] -> float32 [N, T, K].
        spec: of both.
        lines: BGR uint8 [h, w, 3].
        lines_from: what they are, for the report.
    """
    prepared = [prepare_line(line, spec) for line in lines]
    widths = ((spec.width.input_width(one.shape[1]), one) for one in prepared)
    charset = spec.charset
    difference, num_equal = 0.0, 0
    for group in batches_by_width(widths, BATCH_SIZE):
        batch = batch_from_lines(group.lines, group.width, spec.mean, spec.std)
        expected, got = reference(batch), candidate(batch)
        if expected.shape != got.shape:
            raise ParityError(
                f"the two forms disagree on the output's shape: expected {expected.shape}, "
                f"got {got.shape} for input {batch.shape}"
            )
        distance = np.abs(expected - got).max()
        difference = float(np.inf if np.isnan(distance) else max(difference, distance))
        texts = zip(_texts(expected, charset), _texts(got, charset), strict=True)
        num_equal += sum(first == second for first, second in texts)
    return Parity(len(lines), num_equal, difference, lines_from)


def _texts(probabilities: NDArray[np.float32], charset: Charset) -> list[str]:
    return [line.text for line in decode_best_path(*best_path(probabilities), charset)]


def require(parity: Parity, what: str, tolerance: float = TOLERANCE) -> None:
    """Refuse two forms that disagree.

    Raises:
        ParityError: unless every text is equal and no probability differs by more than
            `tolerance`.
    """
    if parity.num_equal_texts == parity.num_lines and parity.max_difference <= tolerance:
        return
    raise ParityError(
        f"{what} disagree: expected equal text and probabilities within {tolerance:g}, got "
        f"{parity.num_equal_texts} of {parity.num_lines} texts equal and a difference of "
        f"{parity.max_difference:.3g} on {parity.lines_from}; nothing was written"
    )


def onnx_probabilities(model: bytes, spec: RecognizerSpec) -> Probabilities:
    """Run a serialised ONNX model on onnxruntime's CPU provider."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = session.run([spec.output_name], {spec.input_name: batch})[0]
        return result

    return run


def comparison_lines(paths: Sequence[str | Path], charset: Charset) -> tuple[list[Image], str]:
    """Lines to compare on: the images of `paths`, or rendered ones when there are none.

    Raises:
        ParityError: if paths are given and none of them can be read.
    """
    if not paths:
        return _rendered_lines(charset)
    lines = []
    for path in find_images(paths):
        try:
            lines.append(read_image(path))
        except OcrError:
            continue  # a broken image says nothing about the network
    if not lines:
        raise ParityError(f"no readable image in {', '.join(map(str, paths))}")
    return lines, f"{len(lines)} images"


def _rendered_lines(charset: Charset) -> tuple[list[Image], str]:
    from training.data.synthetic import SyntheticDataSet

    try:
        rendered = SyntheticDataSet(charset.characters, count=_NUM_RENDERED, seed=0)
        return [rendered.line(index)[0] for index in range(len(rendered))], "rendered lines"
    except OcrError:
        rng = np.random.default_rng(0)
        widths = rng.integers(16, 480, _NUM_RENDERED)
        noise = [rng.integers(0, 256, (32, width, 3)).astype(np.uint8) for width in widths]
        return noise, "noise, because no font here has these characters"
