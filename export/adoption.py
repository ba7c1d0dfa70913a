"""What adopting somebody else's model takes, whatever its task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import onnx

from export.contract import (
    CONTRACTS,
    ModelContract,
    model_contract,
    samples_to_compare,
    task_of,
)
from export.conversion.convert import check_opset, tool_versions
from export.conversion.denormals import set_denormals_to_zero
from export.conversion.graph import describe, input_shape, opset_of
from export.conversion.model_file import read_model
from export.conversion.onnx_file import load_model
from export.conversion.staging import staged
from export.proof.compare import TOLERANCE, compare
from export.proof.forms import ScoreForm, run_of_onnx, run_of_program
from export.proof.rounding import (
    measure_rounding,
    nudged_inputs,
    require_explained,
    samples_to_draw,
    widely_nudged_inputs,
)
from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.errors import ArtifactError, ConfigError
from runtime.files import sha256_of, sha256_of_file
from runtime.inference_yml import FILE_NAME
from runtime.spec import ModelSpec
from runtime.yaml_file import YamlError, read_yaml

SpecOf = TypeVar("SpecOf", bound=ModelSpec)

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


def write_adopted(
    source: Path,
    output: Path,
    opset: int | None,
    adopt_folder: Callable[[], tuple[onnx.ModelProto, SpecOf]],
    adopt_file: Callable[[], tuple[onnx.ModelProto, SpecOf]],
) -> SpecOf:
    """Write what was made of somebody else's model, once all of it is right; return its spec.

    Args:
        source: a folder as PaddleOCR exports it, or an ONNX file.
        output: the file to write.
        opset: for a folder; the network decides when None.
        adopt_folder, adopt_file: make a model and its spec of the source.

    Raises:
        ConfigError: if `output` is no name of an ONNX file, or the opset cannot be.
    """
    if output.suffix.lower() != ".onnx":
        raise ConfigError(f"--output {output}: expected the name of an .onnx file")
    check_opset(opset)
    with staged(output.parent) as folder:  # first, so that a folder that refuses is met first
        model, spec = adopt_folder() if source.is_dir() else adopt_file()
        describe(model, spec)
        file = folder / output.name
        file.write_bytes(model.SerializeToString(deterministic=True))
        read_model(file)
    return spec


def from_file(
    source: Path, spec: SpecOf, said: Mapping[str, Any], changes: Sequence[str]
) -> SpecOf:
    """Return a spec that tells which file it was adopted from, what was told and changed.

    Args:
        source: an ONNX file.
        spec: of the model.
        said: what a user told of it.
        changes: in words.
    """
    provenance = {
        **spec.provenance,
        "adopted_from": source.name,
        "adopted_sha256": sha256_of_file(source),
        **({"told": dict(said)} if said else {}),
        **({"changed": list(changes)} if changes else {}),
    }
    return replace(spec, provenance=provenance)


def from_folder(
    program: Path,
    model: onnx.ModelProto,
    spec: SpecOf,
    said: Mapping[str, Any],
    images: Sequence[str | Path],
) -> SpecOf:
    """Return a spec that tells which program it was adopted from, once both read the same.

    Args:
        program: an inference program.
        model: converted from it.
        spec: of the model.
        said: what a user told of it.
        images: to compare on; rendered ones without.

    Raises:
        ParityError: if paddle and onnxruntime disagree.
    """
    contract = model_contract(spec)
    parity = prove_alike(
        ScoreForm("paddle", contract, run_of_program(program, input_shape(model)[0])),
        ScoreForm("onnxruntime", contract, run_of_onnx(model.SerializeToString(), spec)),
        images,
        f"{program} in paddle and in onnxruntime",
    )
    provenance = {
        "adopted_from": program.parent.resolve().name,
        **({"told": dict(said)} if said else {}),
        "versions": tool_versions(),
        "opset": opset_of(model),
        "parity": parity,
    }
    parameters = program.with_suffix(".pdiparams").read_bytes()
    return replace(spec, weights_sha256=sha256_of(parameters), provenance=provenance)
