"""From an FP32 model to an 8-bit form that reads well enough."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export.contract import ModelContract
from export.conversion.graph import describe_derived
from export.conversion.precision_of import has_eight_bit, has_half
from export.precision.report import Kept
from export.proof.compare import compare
from export.proof.forms import ScoreForm, run_of_onnx
from export.proof.samples import Samples
from export.quantization.quantizer import Batch, Quantizer
from export.quantization.ready import ready_for_quantization, worth_quantizing
from export.quantization.report import EightBitReport, Limits, Reading
from runtime.errors import ArtifactError, ParityError
from runtime.spec import ModelSpec

log = logging.getLogger("export")

MOST_CALIBRATED = 128
_MOST_FOR_SENSITIVITY = 24
_LEAST_SAMPLES = 4


@dataclass(frozen=True)
class EightBitModel:
    """The 8-bit form of a model.

    Args:
        model: self-describing.
        spec: as in its metadata, with the report and the source's hash in its provenance.
        report: what it costs.
    """

    model: onnx.ModelProto
    spec: ModelSpec
    report: EightBitReport


def eight_bit_model(
    model: onnx.ModelProto,
    contract: ModelContract,
    samples: Samples,
    *,
    truth: Sequence[Any] | None = None,
    limits: Limits | None = None,
    source_sha256: str = "",
    is_quiet: bool = False,
) -> EightBitModel:
    """Quantise a model; while it reads too badly, leave more of it in FP32.

    Every second sample measures ranges, the others judge.

    Args:
        model: FP32, with the ends that its spec names.
        contract: of the model.
        samples: to measure and to judge on.
        truth: what each sample shows, None where unknown.
        limits: how much reading may change.
        source_sha256: of the file the model comes from; of its bytes here when empty.
        is_quiet: show no progress.

    Raises:
        ArtifactError: if the model is not FP32 throughout, or cannot be quantised.
        ParityError: if there are too few samples, or no 8-bit form reads well enough.
    """
    limits = limits or Limits()
    _refuse_other_than_float(model)
    if len(samples) < _LEAST_SAMPLES:
        raise ParityError(
            f"too few images to quantise with: expected at least {_LEAST_SAMPLES}, better some "
            f"hundred like those to be read, got {len(samples)}; give more with --images"
        )
    spec, ready = contract.spec, ready_for_quantization(model)
    measured = samples.subset(range(0, len(samples), 2)[:MOST_CALIBRATED])
    judging = samples.subset(range(1, len(samples), 2))
    log.info("measuring ranges on %d images, judging on %d", len(measured), len(judging))
    # As the CPU runs them: each by itself.
    batches = [batch.inputs for batch in measured.batches(1)]
    shares = worth_quantizing(ready, spec.input_name, batches[0])
    nodes = list(shares)
    if not nodes:
        raise ArtifactError(
            "nothing to quantise: expected convolutions or products with constant weights, got "
            "none; keep the FP32 model"
        )
    reference = _form("FP32", ready, contract)
    labels = list(truth)[1::2] if truth is not None else [None] * len(judging)
    with tempfile.TemporaryDirectory() as scratch:
        quantizer = Quantizer(ready, spec.input_name, batches, Path(scratch))
        order: list[Kept] = []
        num_tries = 0
        for num_kept in _numbers_to_keep(len(nodes)):
            num_tries += 1
            if num_kept and not order:
                order = _most_harmful_first(quantizer, ready, shares, reference, batches, is_quiet)
            kept = order[:num_kept]
            names = {entry.node for entry in kept}
            result = quantizer.quantized([name for name in nodes if name not in names])
            form = _form("8 bit", result, contract)
            reading = Reading.of(compare(reference, form, contract, judging), labels)
            log.info("%d nodes in 8 bit: %s", len(nodes) - num_kept, reading)
            if reading.is_within(limits):
                break
        else:
            raise ParityError(
                f"no 8-bit form reads well enough: expected at most {limits.max_loss:.2%} fewer "
                f"right and {limits.min_equal:.1%} equal readings, got with "
                f"{len(nodes) - num_kept} nodes in 8 bit {reading}; keep the FP32 model, give "
                "more images like those to be read, or say what may be lost (--maxLoss, --minEqual)"
            )
    in_order = sorted(kept, key=lambda entry: nodes.index(entry.node))
    report = EightBitReport(
        len(nodes) - num_kept, tuple(in_order), len(measured), reading, num_tries
    )
    spec = describe_derived(result, model, spec, report.as_json(), source_sha256)
    return EightBitModel(result, spec, report)


def _form(name: str, model: onnx.ModelProto, contract: ModelContract) -> ScoreForm:
    run = run_of_onnx(model.SerializeToString(), contract.spec)
    return ScoreForm(name, contract, run, is_exact=name == "FP32")


def _refuse_other_than_float(model: onnx.ModelProto) -> None:
    got = "8 bit" if has_eight_bit(model) else "FP16" if has_half(model) else ""
    if got:
        raise ArtifactError(
            f"the model is {got} already: expected FP32 throughout; give the FP32 model it was "
            "made from"
        )


def _numbers_to_keep(num_nodes: int) -> Iterator[int]:
    """Yield 0, 1, 2, 4, … nodes that stay FP32, up to half of all nodes."""
    yield 0
    number = 1
    while number <= num_nodes // 2:
        yield number
        number *= 2


def _most_harmful_first(
    quantizer: Quantizer,
    model: onnx.ModelProto,
    shares: Mapping[str, float],
    reference: ScoreForm,
    batches: Sequence[Batch],
    is_quiet: bool,
) -> list[Kept]:
    """Order nodes by how far each alone in 8 bit moves probabilities, for what it saves."""
    from tqdm import tqdm

    few = batches[:: max(1, len(batches) // _MOST_FOR_SENSITIVITY)]
    expected = [reference.outputs(batch) for batch in few]
    harm = {}
    shown = tqdm(shares, desc="which nodes harm", unit="node", disable=is_quiet or None)
    for name in shown:
        alone = _form("8 bit", quantizer.quantized([name]), reference.contract)
        moved = [
            np.abs(alone.probabilities(batch) - before.values).sum() / before.decisions.size
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
            f"alone in 8 bit it moves {harm[name]:.2g} of a decision's probability, "
            f"with {shares[name]:.1%} of the multiply-adds",
        )
        for name in ordered
    ]
