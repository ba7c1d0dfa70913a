"""What adopting somebody else's model takes, whatever its task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from export.contract import CONTRACTS, ModelContract, samples_to_compare, task_of
from export.conversion.denormals import set_denormals_to_zero
from export.conversion.onnx_file import load_model
from export.proof.compare import TOLERANCE, compare
from export.proof.forms import ScoreForm, run_of_onnx
from export.proof.rounding import (
    measure_rounding,
    nudged_inputs,
    require_explained,
    samples_to_draw,
    widely_nudged_inputs,
)
from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.errors import ArtifactError
from runtime.inference_yml import FILE_NAME
from runtime.yaml_file import YamlError, read_yaml

PROGRAMS = ("inference.json", "inference.pdmodel")


def task_of_model(source: Path) -> str:
    """Tell the task of a model that was exported elsewhere.

    Args:
        source: a folder as PaddleOCR exports it, or an ONNX file.

    Returns:
        a key of `CONTRACTS`; `rec` where nothing tells.

    Raises:
        ArtifactError: if an ONNX file cannot be read.
    """
    if not source.is_dir():
        load_model(source)  # which refuses what is damaged in a sentence
        engine = OnnxRuntimeEngine(source, "cpu")
        engine.close()
        return task_of(engine.metadata, engine.inputs, engine.outputs)
    try:
        content = read_yaml(source / FILE_NAME).content
        name = str(content["PostProcess"]["name"])
    except (ImportError, OSError, YamlError, KeyError, TypeError):  # said by who reads it next
        return "rec"
    kinds = CONTRACTS.items()
    return next((task for task, row in kinds if name in row.model.post_processes), "rec")


def program_in(folder: Path) -> Path:
    """Return the inference program in a folder as PaddleOCR exports it.

    Raises:
        ArtifactError: if there is none.
    """
    for name in PROGRAMS:
        if (folder / name).is_file():
            return folder / name
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    raise ArtifactError(
        f"{folder} holds no inference program: expected {' or '.join(PROGRAMS)} with "
        f".pdiparams, got {there}; give a folder that PaddleOCR's export wrote, or an .onnx file"
    )


def prove_alike(
    reference: ScoreForm, model: ScoreForm, images: Sequence[str | Path], what: str
) -> dict[str, Any]:
    """Compare two forms; a difference beyond the tolerance passes only if rounding explains it.

    Args:
        reference: what the model is held against.
        model: it.
        images: to compare on; rendered ones without.
        what: names both, for messages.

    Returns:
        figures.

    Raises:
        ParityError: if they disagree.
    """
    samples = samples_to_compare(images, reference.contract)
    agreement = compare(reference, model, reference.contract, samples)
    if agreement.is_within(TOLERANCE):
        return agreement.as_json()
    (rounding,) = measure_rounding(
        reference,
        nudged_inputs(reference),
        [model],
        samples_to_draw(samples, [agreement]),
        lambda: widely_nudged_inputs(reference),
    )
    require_explained(rounding, agreement, what)
    return {**agreement.as_json(), "rounding": rounding.as_json()}


def drop_denormals(
    model: onnx.ModelProto, contract: ModelContract, images: Sequence[str | Path], where: str
) -> list[str]:
    """Set a network's denormal weights to 0, in place, and prove that it computes the same.

    Args:
        model: of this project's form.
        contract: of the model.
        images: to compare on; rendered ones without.
        where: the file, for messages.

    Returns:
        what was changed, in words; nothing where there are none.

    Raises:
        ParityError: if the network computes something else without them.
    """
    before = model.SerializeToString()
    count = set_denormals_to_zero(model)
    if not count:
        return []
    prove_alike(
        ScoreForm("as it came", contract, run_of_onnx(before, contract.spec)),
        ScoreForm("without", contract, run_of_onnx(model.SerializeToString(), contract.spec)),
        images,
        f"{where} with its {count:,} denormal weights and without",
    )
    return [f"{count:,} denormal weights set to 0"]
