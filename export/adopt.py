"""Somebody else's recogniser -> the same network as a self-describing ONNX file.

PaddleOCR exports a folder (`inference.json` or `inference.pdmodel`, `inference.pdiparams`,
`inference.yml`); RapidOCR and others hand out ONNX files. The network is left as it is; what is
told about it is written into the file and checked against what the network does.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from export.convert import OPSET, check_opset, convert, tool_versions
from export.forms import ProbabilityForm, onnx_probabilities, program_probabilities
from export.graph import describe, input_shape, load_model
from export.lines import comparison_lines
from export.staging import staged
from export.verify import compare_forms, require
from runtime.charset import read_dictionary
from runtime.errors import ArtifactError, ConfigError
from runtime.sessions import open_session
from runtime.sessions.inference_yml import FILE_NAME, InferenceYml, read_inference_yml
from runtime.sessions.model_spec import ModelFacts, spec_of_model
from runtime.spec import CHARACTER_KEY, SPEC_KEY, RecognizerSpec

PROGRAMS = ("inference.json", "inference.pdmodel")


def adopt(
    source: Path,
    output: Path,
    *,
    dictionary: Path | None = None,
    height_px: int | None = None,
    opset: int = OPSET,
    images: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """Write a self-describing ONNX file of a model that was exported elsewhere.

    Args:
        source: a folder as PaddleOCR exports it, or an ONNX file.
        output: the file to write.
        dictionary: one character per line, instead of those of `inference.yml` or the metadata.
        height_px: H, where neither `inference.yml` nor the model fix it.
        opset: for a folder.
        images: line images to compare on; rendered ones without.

    Returns:
        Path, number of characters, height and, for a folder, the measured parity.

    Raises:
        ConfigError: if `output` is no name of an ONNX file, or opset or height cannot be.
        ArtifactError: if the model is damaged or no recogniser, or its characters are unknown.
        ParityError: if paddle and onnxruntime disagree.
    """
    if output.suffix.lower() != ".onnx":
        raise ConfigError(f"--output {output}: expected the name of an .onnx file")
    if height_px is not None and height_px < 1:
        raise ConfigError(f"--height: expected at least 1 px, got {height_px}")
    check_opset(opset)
    if source.is_dir():
        model, spec = _adopted_folder(source, dictionary, height_px, opset, images)
    else:
        model, spec = _adopted_file(source, dictionary, height_px)
    describe(model, spec)
    with staged(output.parent) as folder:
        file = folder / output.name
        file.write_bytes(model.SerializeToString(deterministic=True))
        open_session(file, device="cpu").close()
    return {
        "onnx": str(output),
        "num_characters": len(spec.characters),
        "height_px": spec.height,
        "output_activation": spec.output_activation,
        "parity": spec.provenance.get("parity"),
    }


def _adopted_file(
    source: Path, dictionary: Path | None, height_px: int | None
) -> tuple[onnx.ModelProto, RecognizerSpec]:
    model = load_model(source)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if SPEC_KEY in metadata and dictionary is None:
        raise ArtifactError(
            f"{source} describes itself already: nothing to adopt; "
            f"see python -m export inspect {source}"
        )
    if height_px is None:
        session = open_session(source, dictionary, device="cpu")
        spec = session.spec
        session.close()
    else:
        spec = _spec_at_height(model, source, dictionary, height_px)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    provenance = {"adopted_from": source.name, "adopted_sha256": digest}
    return model, replace(spec, provenance={**spec.provenance, **provenance})


def _spec_at_height(
    model: onnx.ModelProto, source: Path, dictionary: Path | None, height_px: int
) -> RecognizerSpec:
    """Fix H of a model that leaves it open, and tell its spec."""
    shape = input_shape(model)
    if len(shape) == 4:
        if shape[2] not in (None, height_px):
            raise ConfigError(
                f"--height {height_px}: {source} takes lines of {shape[2]} px; leave --height out"
            )
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = height_px
    with tempfile.TemporaryDirectory() as folder:
        fixed = Path(folder) / source.name
        fixed.write_bytes(model.SerializeToString())
        beside = source.with_name(FILE_NAME)
        if beside.is_file():
            shutil.copy(beside, folder)
        session = open_session(fixed, dictionary, device="cpu")
        session.close()
        return session.spec


def _adopted_folder(
    folder: Path,
    dictionary: Path | None,
    height_px: int | None,
    opset: int,
    images: Sequence[str | Path],
) -> tuple[onnx.ModelProto, RecognizerSpec]:
    program = _program_in(folder)
    told = read_inference_yml(folder / FILE_NAME) if (folder / FILE_NAME).is_file() else None
    if dictionary is not None:
        listed = tuple(read_dictionary(dictionary))
    elif told is not None:
        listed = told.characters
    else:
        raise ArtifactError(
            f"{folder} does not tell the model's characters: expected {FILE_NAME} in it, got "
            "none; give the dictionary it was trained with (--dictionary FILE)"
        )
    spec = RecognizerSpec(
        characters=listed,
        height=_height(folder, told, height_px),
        channels=told.image_shape[0] if told is not None else 3,
    )
    model = convert(program, spec, opset)
    batch_size, _, _, width = input_shape(model)
    run = onnx_probabilities(model.SerializeToString(), spec)
    facts = ModelFacts(
        where=str(program),
        metadata={CHARACTER_KEY: "\n".join(listed)},
        input_name=spec.input_name,
        output_name=spec.output_name,
        input_shape=(batch_size, spec.channels, spec.height, width),
        num_classes=None,
        probe=run,
    )
    spec = spec_of_model(facts, dictionary)
    lines, lines_from = comparison_lines(images, spec.charset)
    parity = compare_forms(
        ProbabilityForm("paddle", spec, program_probabilities(program, spec, batch_size)),
        ProbabilityForm("onnxruntime", spec, onnx_probabilities(model.SerializeToString(), spec)),
        spec,
        lines,
        lines_from,
    ).parity
    require(parity, f"{program} in paddle and in onnxruntime")
    params = program.with_suffix(".pdiparams").read_bytes()
    return model, replace(
        spec,
        network=told.model_name if told is not None else "",
        weights_sha256=hashlib.sha256(params).hexdigest(),
        provenance={
            "adopted_from": folder.resolve().name,
            "versions": tool_versions(),
            "opset": opset,
            "parity": parity.as_json(),
        },
    )


def _program_in(folder: Path) -> Path:
    for name in PROGRAMS:
        if (folder / name).is_file():
            return folder / name
    there = ", ".join(sorted(one.name for one in folder.iterdir())[:8]) or "nothing"
    raise ArtifactError(
        f"{folder} holds no inference program: expected {' or '.join(PROGRAMS)} with "
        f".pdiparams, got {there}; give a folder that PaddleOCR's export wrote, or an .onnx file"
    )


def _height(folder: Path, told: InferenceYml | None, height_px: int | None) -> int:
    if height_px is not None:
        return height_px
    if told is not None:
        return told.image_shape[1]
    raise ArtifactError(
        f"{folder} does not tell the model's input height: expected {FILE_NAME} in it, got none; "
        "give the height it was trained for (--height 32 for PP-OCRv2, 48 after)"
    )
