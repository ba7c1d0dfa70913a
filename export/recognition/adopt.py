"""Somebody else's recogniser -> the same network as a self-describing ONNX file.

PaddleOCR exports a folder (`inference.json` or `inference.pdmodel`, `inference.pdiparams`,
`inference.yml`); RapidOCR and others hand out ONNX files. The network is left as it is; what is
told about it is written into the file and checked against what the network does. What is in
another order, precision or class order than this project's gets nodes around it that mend that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from export.adoption import drop_denormals, from_file, from_folder, program_in, write_adopted
from export.conversion.convert import convert
from export.conversion.graph import input_shape
from export.conversion.onnx_file import load_model
from export.proof.forms import run_of_onnx
from export.recognition.contract import RecognizerContract
from export.recognition.foreign import make_canonical
from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.errors import ArtifactError, ConfigError
from runtime.recognition.charset import read_dictionary
from runtime.recognition.model.inference_yml import FILE_NAME, InferenceYml, read_inference_yml
from runtime.recognition.model.spec_of_model import ModelFacts, spec_of_model
from runtime.recognition.model.told import Told
from runtime.recognition.score_session import ScoreSession
from runtime.recognition.spec import SPEC_KEY, RecognizerSpec

_FOR_FILES = ("layout", "output_name")


def adopt(
    source: Path,
    output: Path,
    *,
    dictionary: Path | None = None,
    told: Told | None = None,
    opset: int | None = None,
    images: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """Write a self-describing ONNX file of a model that was exported elsewhere.

    Args:
        source: a folder as PaddleOCR exports it, or an ONNX file.
        output: the file to write.
        dictionary: one character per line, instead of those of `inference.yml` or the metadata.
        told: what neither the model nor `inference.yml` say: height, place of the blank and so on.
        opset: for a folder; the network decides when None.
        images: line images to compare on; rendered ones without.

    Returns:
        Path, number of characters, height, what was changed, and for a folder the measured
        parity.

    Raises:
        ConfigError: if `output` is no name of an ONNX file, opset or height cannot be, or
            something is told that the model says itself.
        ArtifactError: if the model is damaged or no recogniser, or its characters are unknown.
        ParityError: if paddle and onnxruntime disagree.
    """
    told = told or Told()
    spec = write_adopted(
        source,
        output,
        opset,
        lambda: _adopt_folder(source, dictionary, told, opset, images),
        lambda: _adopt_file(source, dictionary, told, images),
    )
    return {
        "onnx": str(output),
        "num_characters": len(spec.characters),
        "height_px": spec.height,
        "output_activation": spec.output_activation,
        "changed": spec.provenance.get("changed", []),
        "parity": spec.provenance.get("parity"),
    }


def _adopt_file(
    source: Path, dictionary: Path | None, told: Told, images: Sequence[str | Path]
) -> tuple[onnx.ModelProto, RecognizerSpec]:
    model = load_model(source)
    if any(entry.key == SPEC_KEY for entry in model.metadata_props):
        if dictionary is None:
            raise ArtifactError(
                f"{source} describes itself already: nothing to adopt; "
                f"see python -m export inspect {source}"
            )
        if told.said:
            raise ConfigError(
                f"{source} describes itself: expected --dictionary alone, got "
                f"{', '.join(told.said)} too; leave these out"
            )
    shape = input_shape(model)
    if told.height_px is not None and len(shape) == 4 and shape[2] not in (None, told.height_px):
        raise ConfigError(
            f"--height {told.height_px}: {source} takes lines of {shape[2]} px; leave --height out"
        )
    session = ScoreSession(OnnxRuntimeEngine(source, "cpu"), dictionary, told)
    session.close()
    spec, changes = make_canonical(model, session.ends, session.layout, session.spec)
    changes += drop_denormals(model, RecognizerContract(spec), images, str(source))
    return model, from_file(source, spec, told.said, changes)


def _adopt_folder(
    folder: Path,
    dictionary: Path | None,
    told: Told,
    opset: int | None,
    images: Sequence[str | Path],
) -> tuple[onnx.ModelProto, RecognizerSpec]:
    for name in _FOR_FILES:
        if name in told.said:
            raise ConfigError(
                f"--{name.replace('_', '-')}: {folder} is PaddleOCR's, with one output [N, T, K]: "
                f"expected nothing, got {told.said[name]}; leave it out"
            )
    program = program_in(folder)
    yml = read_inference_yml(folder / FILE_NAME) if (folder / FILE_NAME).is_file() else None
    if dictionary is not None:
        listed = tuple(read_dictionary(dictionary))
    elif yml is not None:
        listed = yml.characters
    else:
        raise ArtifactError(
            f"{folder} does not tell the model's characters: expected {FILE_NAME} in it, got "
            "none; give the dictionary it was trained with (--dictionary FILE)"
        )
    spec = RecognizerSpec(
        characters=listed,
        height=_height(folder, yml, told.height_px),
        channels=yml.image_shape[0] if yml is not None else 3,
    )
    model = convert(program, spec, opset)
    batch_size, _, _, width = input_shape(model)
    # The converted network is run to see what it emits: time steps, classes, place of the blank.
    facts = ModelFacts(
        where=str(program),
        spec=None,
        listed=listed,
        input_name=spec.input_name,
        output_name=spec.output_name,
        input_shape=(batch_size, spec.channels, spec.height, width),
        num_classes=None,
        run=run_of_onnx(model.SerializeToString(), spec),
    )
    spec, layout = spec_of_model(facts, dictionary, told)
    if not layout.is_canonical:
        raise ArtifactError(
            f"{program}: its output is not as PaddleOCR's: expected [N, T, K] with the blank "
            f"first, got [{', '.join(layout.letters)}], blank "
            f"{'last' if layout.is_blank_last else 'first'}; convert it with paddle2onnx and adopt "
            "the .onnx file"
        )
    if yml is not None:
        spec = replace(spec, network=yml.model_name)
    return model, from_folder(program, model, spec, told.said, images)


def _height(folder: Path, yml: InferenceYml | None, height_px: int | None) -> int:
    if height_px is not None:
        return height_px
    if yml is not None:
        return yml.image_shape[1]
    raise ArtifactError(
        f"{folder} does not tell the model's input height: expected {FILE_NAME} in it, got none; "
        "give the height it was trained for (--height 32 for PP-OCRv2, 48 after)"
    )
