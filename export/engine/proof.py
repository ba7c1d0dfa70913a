"""Compares a built engine with onnxruntime on lines, where there is a GPU to run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export.precision.agreement import Lines
from export.proof.emulate import cpu_session
from export.proof.forms import as_probabilities
from runtime.batching import batches_by_width
from runtime.errors import ParityError
from runtime.recognition.ctc import best_path, decode_best_path
from runtime.recognition.preprocess import batch_from_lines
from runtime.recognition.session import Session, open_session

_MOST_EXAMPLES = 3


def prove_engine(
    plan: Path,
    model: onnx.ModelProto,
    lines: Lines,
    tie_tolerance: float,
    max_batch: int,
    max_width_px: int,
    device_id: int = 0,
) -> dict[str, Any]:
    """Let the engine and onnxruntime read the same lines.

    Args:
        plan: of the engine, its sidecar beside it.
        model: FP32 or FP16, as given.
        lines: to read; those wider than the engine takes are left out and counted.
        tie_tolerance: as `export.precision.agreement.compare`.
        max_batch, max_width_px: the largest of the engine's profiles.
        device_id: number of the GPU.

    Returns:
        figures for the sidecar.

    Raises:
        ParityError: if a text differs.
    """
    session = open_session(plan, device="cuda", device_id=device_id)
    try:
        return _compared(session, model, lines, tie_tolerance, max_batch, max_width_px)
    finally:
        session.close()


def _compared(
    session: Session,
    model: onnx.ModelProto,
    lines: Lines,
    tie_tolerance: float,
    max_batch: int,
    max_width_px: int,
) -> dict[str, Any]:
    spec = lines.spec
    reference = cpu_session(model)
    sized = [(spec.width.input_width(one.shape[1]), one) for one in lines.prepared]
    readable = [one for one in sized if one[0] <= max_width_px]
    num_ties, difference, wrong = 0, 0.0, []
    for group in batches_by_width(readable, min(max_batch, 16)):
        batch = batch_from_lines(group.lines, group.width, spec.mean, spec.std)
        scores = reference.run([spec.output_name], {spec.input_name: batch})[0]
        expected = as_probabilities(scores, spec)
        paths, values = best_path(expected)
        got_paths, got_values = session.read(group.lines, group.width)
        same = paths == got_paths
        if same.any():
            difference = max(difference, float(np.abs(values - got_values)[same].max()))
        readings = zip(
            decode_best_path(paths, values, spec.charset),
            decode_best_path(got_paths, got_values, spec.charset),
            strict=True,
        )
        for row, (first, second) in enumerate(readings):
            if first.text == second.text:
                continue
            steps = np.flatnonzero(~same[row])
            rivals = expected[row, steps, got_paths[row, steps]]
            if tie_tolerance > 0 and float((values[row, steps] - rivals).max()) <= tie_tolerance:
                num_ties += 1
            else:
                wrong.append((group.positions[row], first.text, second.text))
    if wrong:
        told = "; ".join(
            f"line {line}: expected {text!r}, got {other!r}"
            for line, text, other in wrong[:_MOST_EXAMPLES]
        )
        raise ParityError(
            f"the engine reads otherwise than onnxruntime: {len(wrong)} of {len(readable)} lines "
            f"differ on {lines.lines_from}: {told}; the plan was not written; build without "
            "--fp16, or accept near ties with --tieTolerance"
        )
    return {
        "num_lines": len(readable),
        "num_equal_texts": len(readable) - num_ties,
        "num_ties": num_ties,
        "num_too_wide": len(sized) - len(readable),
        "max_confidence_difference": difference,
        "lines_from": lines.lines_from,
        "reference": "onnxruntime on the CPU",
    }
