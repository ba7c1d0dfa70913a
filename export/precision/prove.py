"""From an FP32 model to its FP16 form and the proof that it reads the same."""

from __future__ import annotations

import logging
from copy import deepcopy
from dataclasses import dataclass

import onnx

from export.contract import ModelContract
from export.conversion.graph import describe_derived
from export.conversion.graph_view import FLOAT16, GraphView, named_copy, view
from export.conversion.precision_of import refuse_eight_bit
from export.precision.growth import grow
from export.precision.ranges import largest_magnitudes
from export.precision.report import Kept, PrecisionReport
from export.precision.sensitive import kept_from_the_start
from export.precision.trials import Trials
from export.proof.emulate import cpu_session
from export.proof.samples import Samples
from runtime.errors import ArtifactError
from runtime.spec import ModelSpec

log = logging.getLogger("export")

MOST_TRIES = 200


@dataclass(frozen=True)
class HalfModel:
    """The FP16 form of a model.

    Args:
        model: self-describing; the FP32 model itself where FP16 does not agree.
        spec: as in its metadata, with the report and the source's hash in its provenance.
        report: what was achieved, and why not more.
    """

    model: onnx.ModelProto
    spec: ModelSpec
    report: PrecisionReport


def half_model(
    model: onnx.ModelProto,
    contract: ModelContract,
    samples: Samples,
    *,
    source_sha256: str = "",
    tie_tolerance: float = 0.0,
    most_tries: int = MOST_TRIES,
    is_quiet: bool = False,
) -> HalfModel:
    """Convert a model to FP16 as far as it reads the same.

    Args:
        model: FP32, with the ends that its spec names.
        contract: of the model.
        samples: to measure and to agree on.
        source_sha256: of the file the model comes from; of its bytes here when empty.
        tie_tolerance: probability by which FP32 may prefer its decision where another reading
            still counts as a tie; 0 asks for equal readings of every sample.
        most_tries: FP16 forms to make at most, before FP32 is kept.
        is_quiet: show no progress.

    Raises:
        ArtifactError: if the model is FP16 or 8-bit already, holds control flow, emits what is
            not a number, or cannot be converted.
    """
    refuse_eight_bit(model)
    source = view(named_copy(model))
    _refuse_half(source)
    spec = contract.spec
    log.info("looking for an FP16 form that reads the same: %s", samples.samples_from)
    inputs = (batch.inputs for batch in samples.batches())
    largest = largest_magnitudes(source, spec.input_name, inputs)
    # What FP16 cannot hold, or is known to harm, stays FP32 before anything is tried.
    kept = kept_from_the_start(source, largest)
    num_from_the_start = len(kept)
    trials = Trials(source, contract, tie_tolerance, most_tries, is_quiet)
    try:
        agreement = grow(trials, kept, samples)
        achieved = "fp16" if len(kept) == num_from_the_start else "mixed"
        if any(entry.reason in ("range", "vanishing") for entry in kept.values()):
            achieved = "mixed"
        # No FP16 form agreed: the FP32 model itself is the result.
        if agreement is None:
            achieved = "fp32"
            for name in trials.names:
                operator = next(node.op_type for node in source.nodes if node.name == name)
                kept.setdefault(name, Kept(name, operator, "text", "no FP16 form agreed"))
            agreement = trials.compare(trials.reference, samples)
        num_half = len(trials.names) - len(kept)
        in_order = tuple(kept[name] for name in trials.names if name in kept)
        report = PrecisionReport(
            achieved, num_half, len(kept), in_order, agreement, trials.num_made, tie_tolerance
        )
        result = source.model if achieved == "fp32" else trials.model(kept.keys())
    finally:
        trials.close()
    log.info("precision %s", report)
    described = deepcopy(result)
    spec = describe_derived(described, model, spec, report.as_json(), source_sha256)
    _check_opens(described, spec, samples)
    return HalfModel(described, spec, report)


def _refuse_half(source: GraphView) -> None:
    found = [name for name, kind in source.types.items() if kind == FLOAT16]
    if found:
        raise ArtifactError(
            f"the model is FP16 already: expected FP32 tensors, got FP16 at {found[0]}; give the "
            "FP32 model it was made from"
        )


def _check_opens(model: onnx.ModelProto, spec: ModelSpec, samples: Samples) -> None:
    """Open and run the result once in onnxruntime, as a user will."""
    session = cpu_session(model)
    for batch in samples.subset([0] if len(samples) else []).batches():
        session.run([spec.output_name], {spec.input_name: batch.inputs})
