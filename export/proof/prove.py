"""Network, inference program and ONNX model held against each other before anything is written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.contract import model_contract, samples_to_compare
from export.conversion.strip import Stripped, deployed_outputs
from export.proof.compare import compare_all
from export.proof.exact import drawn_forms, exact_form, wider_forms
from export.proof.forms import ScoreForm, run_of_onnx, run_of_program
from export.proof.rounding import measure_rounding, require_explained, samples_to_draw
from runtime.spec import ModelSpec

log = logging.getLogger("export")


def prove(
    stripped: Stripped,
    program: Path,
    model: bytes,
    spec: ModelSpec,
    images: Sequence[str | Path] = (),
    batch_size: int | None = None,
) -> dict[str, Any]:
    """Compare the network with its inference program and its ONNX model.

    Args:
        stripped: the network.
        program: `inference.json`.
        model: bytes of the ONNX file.
        spec: of all.
        images: to compare on; rendered ones without.
        batch_size: N when the forms fix it.

    Returns:
        figures of the ONNX model: parity with paddle, and what rounding accounts for.

    Raises:
        ParityError: if either form is farther from the network in FP64 than rounding carries it.
    """
    contract = model_contract(spec)
    samples = samples_to_compare(images, contract)
    reference = ScoreForm("paddle", contract, deployed_outputs(stripped.network))
    candidates = (
        ScoreForm("inference program", contract, run_of_program(program, batch_size)),
        ScoreForm("onnxruntime", contract, run_of_onnx(model, spec)),
    )
    log.info("comparing paddle, inference program and onnxruntime on %s", samples.samples_from)
    agreements = compare_all(reference, candidates, contract, samples)
    # Networks amplify rounding differently, so a form is held against the network in FP64, and
    # how far it may be off is measured with the network in FP32 rounded in other ways.
    log.info("measuring in float64 how far rounding alone carries them: the longest step")
    roundings = measure_rounding(
        exact_form(stripped, spec),
        drawn_forms(stripped, spec),
        candidates,
        samples_to_draw(samples, agreements),
        lambda: wider_forms(stripped, spec),
    )
    figures: dict[str, Any] = {}
    for candidate, agreement, rounding in zip(candidates, agreements, roundings, strict=True):
        require_explained(rounding, agreement, f"{reference.name} and {candidate.name}")
        figures = {**agreement.as_json(), "rounding": rounding.as_json()}
        log.info(
            "verified: %s and %s read %d of %d images the same, probabilities within %.2g, on %s; "
            "%.2g times as far from float64 as rounding carries the median one, at most %.2g",
            reference.name,
            candidate.name,
            agreement.num_equal,
            agreement.num_samples,
            agreement.max_difference,
            agreement.samples_from,
            rounding.typical,
            rounding.worst,
        )
        if agreement.is_vacuous and candidate is candidates[-1]:
            log.warning("%s", agreement.caution)
        if not agreement.is_equal:
            log.warning(
                "%s reads %d of %d images differently, where rounding alone decides: for example "
                "%s",
                candidate.name,
                len(agreement.differences),
                agreement.num_samples,
                agreement.example,
            )
    return figures
