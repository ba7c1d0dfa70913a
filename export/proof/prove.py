"""Network, inference program and ONNX model held against each other before anything is written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.conversion.strip import Stripped, deployed_outputs
from export.proof.compare import compare_forms
from export.proof.exact import drawn_forms, exact_form, wider_forms
from export.proof.forms import ProbabilityForm, onnx_probabilities, program_probabilities
from export.proof.rounding import lines_to_draw, measure_rounding, require_explained
from export.proof.samples import comparison_lines
from runtime.recognition.spec import RecognizerSpec

log = logging.getLogger("export")


def prove(
    stripped: Stripped,
    program: Path,
    model: bytes,
    spec: RecognizerSpec,
    images: Sequence[str | Path] = (),
    batch_size: int | None = None,
) -> dict[str, Any]:
    """Compare the network with its inference program and its ONNX model.

    Args:
        stripped: the network.
        program: `inference.json`.
        model: bytes of the ONNX file.
        spec: of all.
        images: lines to compare on; rendered ones without.
        batch_size: N when the forms fix it.

    Returns:
        figures of the ONNX model: parity with paddle, and what rounding accounts for.

    Raises:
        ParityError: if either form is farther from the network in FP64 than rounding carries it.
    """
    lines, lines_from = comparison_lines(images, spec.charset)
    reference = ProbabilityForm("paddle", spec, deployed_outputs(stripped.network))
    candidates = (
        ProbabilityForm(
            "inference program", spec, program_probabilities(program, spec, batch_size)
        ),
        ProbabilityForm("onnxruntime", spec, onnx_probabilities(model, spec)),
    )
    comparisons = [
        compare_forms(reference, candidate, spec, lines, lines_from) for candidate in candidates
    ]
    roundings = measure_rounding(
        exact_form(stripped, spec),
        drawn_forms(stripped, spec),
        candidates,
        spec,
        lines_to_draw(lines, comparisons),
        lambda: wider_forms(stripped, spec),
    )
    figures: dict[str, Any] = {}
    for candidate, comparison, rounding in zip(candidates, comparisons, roundings, strict=True):
        require_explained(rounding, comparison, f"{reference.name} and {candidate.name}")
        parity = comparison.parity
        figures = {**parity.as_json(), "rounding": rounding.as_json()}
        log.info(
            "verified: %s and %s read %d of %d texts the same, probabilities within %.2g, on %s; "
            "%.2g times as far from float64 as rounding carries the median line, at most %.2g",
            *(reference.name, candidate.name, parity.num_equal_texts, parity.num_lines),
            *(parity.max_difference, lines_from, rounding.typical, rounding.worst),
        )
        if parity.num_equal_texts < parity.num_lines:
            log.warning(
                "%s reads %d of %d lines differently, where rounding alone decides: for example %s",
                *(candidate.name, parity.num_lines - parity.num_equal_texts, parity.num_lines),
                parity.example,
            )
    return figures
