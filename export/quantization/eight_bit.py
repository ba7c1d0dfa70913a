"""From an FP32 recogniser to an 8-bit form that reads well enough."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.conversion.graph import describe_derived
from export.conversion.model_file import has_eight_bit, has_half
from export.precision.report import Kept
from export.proof.compare import compare_forms
from export.proof.forms import Probabilities, ProbabilityForm, onnx_probabilities
from export.proof.samples import prepared_batches
from export.quantization.quantizer import Batch, Quantizer
from export.quantization.ready import ready_for_quantization, worth_quantizing
from export.quantization.report import EightBitReport, Limits, Reading
from runtime.errors import ArtifactError, ParityError
from runtime.recognition.preprocess import Image, batch_from_lines
from runtime.recognition.spec import RecognizerSpec

log = logging.getLogger("export")

MOST_CALIBRATED = 128
_MOST_FOR_SENSITIVITY = 24
_LEAST_LINES = 4


@dataclass(frozen=True)
class EightBitRecognizer:
    """The 8-bit form of a recogniser.

    Args:
        model: self-describing.
        spec: as in its metadata, with the report and the source's hash in its provenance.
        report: what it costs.
    """

    model: onnx.ModelProto
    spec: RecognizerSpec
    report: EightBitReport


def eight_bit_recognizer(
    model: onnx.ModelProto,
    spec: RecognizerSpec,
    images: Sequence[Image],
    lines_from: str,
    *,
    truth: Sequence[str | None] | None = None,
    limits: Limits | None = None,
    source_sha256: str = "",
    is_quiet: bool = False,
) -> EightBitRecognizer:
    """Quantise a recogniser; while it reads too badly, leave more of it in FP32.

    Every second line measures ranges, the others judge.

    Args:
        model: FP32, input `spec.input_name` [N, C, H, W], output `spec.output_name` [N, T, K].
        spec: of the recogniser.
        images: lines, BGR uint8 [h, w, 3].
        lines_from: what they are, for the report.
        truth: text of each line, None where unknown.
        limits: how much reading may change.
        source_sha256: of the file the model comes from; of its bytes here when empty.
        is_quiet: show no progress.

    Raises:
        ArtifactError: if the model is not FP32 throughout, or cannot be quantised.
        ParityError: if there are too few lines, or no 8-bit form reads well enough.
    """
    limits = limits or Limits()
    _refuse_other_than_float(model)
    if len(images) < _LEAST_LINES:
        raise ParityError(
            f"too few lines to quantise with: expected at least {_LEAST_LINES}, better some "
            f"hundred like those to be read, got {len(images)}; give more with --images"
        )
    ready = ready_for_quantization(model)
    measured = images[::2][:MOST_CALIBRATED]
    batches = list(_batches(measured, spec))
    shares = worth_quantizing(ready, spec.input_name, batches[0])
    nodes = list(shares)
    if not nodes:
        raise ArtifactError(
            "nothing to quantise: expected convolutions or products with constant weights, got "
            "none; keep the FP32 model"
        )
    reference = ProbabilityForm("FP32", spec, _probabilities(ready, spec))
    texts = list(truth)[1::2] if truth is not None else [None] * len(images[1::2])
    with tempfile.TemporaryDirectory() as scratch:
        quantizer = Quantizer(ready, spec.input_name, batches, Path(scratch))
        order: list[Kept] = []
        num_tries = 0
        for num_kept in _numbers_to_keep(len(nodes)):
            num_tries += 1
            if num_kept and not order:
                order = _most_harmful_first(quantizer, ready, shares, reference, batches, is_quiet)
            kept = order[:num_kept]
            names = {one.node for one in kept}
            result = quantizer.quantized([name for name in nodes if name not in names])
            form = ProbabilityForm("8 bit", spec, _probabilities(result, spec), is_exact=False)
            comparison = compare_forms(reference, form, spec, images[1::2], lines_from)
            reading = Reading.of(comparison, texts)
            log.info("%d nodes in 8 bit: %s", len(nodes) - num_kept, reading)
            if reading.is_within(limits):
                break
        else:
            raise ParityError(
                f"no 8-bit form reads well enough: expected at most {limits.max_loss:.2%} fewer "
                f"right and {limits.min_equal:.1%} equal texts, got with "
                f"{len(nodes) - num_kept} nodes in 8 bit {reading}; keep the FP32 model, give "
                "more lines like those to be read, or say what may be lost (--maxLoss, --minEqual)"
            )
    in_order = sorted(kept, key=lambda one: nodes.index(one.node))
    report = EightBitReport(
        len(nodes) - num_kept, tuple(in_order), len(measured), reading, num_tries
    )
    spec = describe_derived(result, model, spec, report.as_json(), source_sha256)
    return EightBitRecognizer(result, spec, report)


def _probabilities(model: onnx.ModelProto, spec: RecognizerSpec) -> Probabilities:
    return onnx_probabilities(model.SerializeToString(), spec)


def _refuse_other_than_float(model: onnx.ModelProto) -> None:
    got = "8 bit" if has_eight_bit(model) else "FP16" if has_half(model) else ""
    if got:
        raise ArtifactError(
            f"the model is {got} already: expected FP32 throughout; give the FP32 model it was "
            "made from"
        )


def _batches(lines: Sequence[Image], spec: RecognizerSpec) -> Iterator[Batch]:
    """As the CPU runs them: each line alone."""
    for _, prepared, width in prepared_batches(lines, spec, batch_size=1):
        yield batch_from_lines(prepared, width, spec.mean, spec.std)


def _numbers_to_keep(num_nodes: int) -> Iterator[int]:
    """0, 1, 2, 4, … nodes that stay FP32; at least half of them have to be 8-bit."""
    yield 0
    number = 1
    while number <= num_nodes // 2:
        yield number
        number *= 2


def _most_harmful_first(
    quantizer: Quantizer,
    model: onnx.ModelProto,
    shares: Mapping[str, float],
    reference: ProbabilityForm,
    batches: Sequence[Batch],
    is_quiet: bool,
) -> list[Kept]:
    """Each node in 8 bit by itself, by how far it moves the probabilities for what it saves."""
    from tqdm import tqdm

    few = batches[:: max(1, len(batches) // _MOST_FOR_SENSITIVITY)]
    expected = [reference.probabilities(batch) for batch in few]
    harm = {}
    shown = tqdm(shares, desc="which nodes harm", unit="node", disable=is_quiet or None)
    for name in shown:
        alone = _probabilities(quantizer.quantized([name]), reference.spec)
        moved = [
            np.abs(alone(batch) - before).sum(axis=-1).mean()
            for batch, before in zip(few, expected, strict=True)
        ]
        harm[name] = float(np.mean(moved))
    operators = {node.name: node.op_type for node in model.graph.node}
    ordered = sorted(shares, key=lambda name: -harm[name] / shares[name])
    return [
        Kept(
            name,
            operators[name],
            "text",
            f"alone in 8 bit it moves {harm[name]:.2g} of a time step's probability, "
            f"with {shares[name]:.1%} of the multiply-adds",
        )
        for name in ordered
    ]
