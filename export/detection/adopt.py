"""Somebody else's detector -> the same network as a self-describing ONNX file.

PaddleOCR exports a folder (`inference.json` or `inference.pdmodel`, `inference.pdiparams`,
`inference.yml`); RapidOCR and others hand out ONNX files, which say nothing of sizes, normalisation
and boxes. What is told about the network is written into the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import onnx

from export.adoption import drop_denormals, from_file, from_folder, program_in, write_adopted
from export.conversion.convert import convert
from export.conversion.graph import input_shape
from export.conversion.onnx_file import load_model
from export.detection.contract import DetectorContract
from export.detection.foreign import make_canonical
from export.detection.told import Told
from runtime.detection.map_session import MapSession
from runtime.detection.model.inference_yml import read_inference_yml
from runtime.detection.model.spec_of_model import DEFAULT_BOXES, DEFAULT_SIZES
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec
from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.errors import ArtifactError
from runtime.inference_yml import FILE_NAME


def adopt(
    source: Path,
    output: Path,
    *,
    told: Told | None = None,
    opset: int | None = None,
    images: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """Write a self-describing ONNX file of a detector that was exported elsewhere.

    Args:
        source: a folder as PaddleOCR exports it, or an ONNX file.
        output: the file to write.
        told: what neither the model nor `inference.yml` say, or say otherwise.
        opset: for a folder; the network decides when None.
        images: pages to compare on; rendered ones without.

    Returns:
        Path, sizes, boxes, what was changed, and for a folder the measured parity.

    Raises:
        ConfigError: if `output` is no name of an ONNX file, or what is told cannot be.
        ArtifactError: if the model is damaged or no detector.
        ParityError: if paddle and onnxruntime disagree.
    """
    told = told or Told()
    spec = write_adopted(
        source,
        output,
        opset,
        lambda: _adopt_folder(source, told, opset, images),
        lambda: _adopt_file(source, told, images),
    )
    return {
        "onnx": str(output),
        "sizes": asdict(spec.sizes),
        "boxes": asdict(spec.boxes),
        "changed": spec.provenance.get("changed", []),
        "parity": spec.provenance.get("parity"),
    }


def _adopt_file(
    source: Path, told: Told, images: Sequence[str | Path]
) -> tuple[onnx.ModelProto, DetectorSpec]:
    model = load_model(source)
    is_described = any(entry.key == DetectorSpec.key for entry in model.metadata_props)
    if is_described and not told.said:
        raise ArtifactError(
            f"{source} describes itself already: nothing to adopt; "
            f"see python -m export inspect {source}"
        )
    session = MapSession(OnnxRuntimeEngine(source, "cpu"))
    session.close()
    spec, changes = make_canonical(model, session, told.applied(session.spec), str(source))
    changes += drop_denormals(model, DetectorContract(spec), images, str(source))
    return model, from_file(source, spec, told.said, changes)


def _adopt_folder(
    folder: Path, told: Told, opset: int | None, images: Sequence[str | Path]
) -> tuple[onnx.ModelProto, DetectorSpec]:
    program = program_in(folder)
    found: dict[str, Any] = {"sizes": DEFAULT_SIZES, "boxes": DEFAULT_BOXES}
    if (folder / FILE_NAME).is_file():
        found = read_inference_yml(folder / FILE_NAME, found)
    spec = told.applied(DetectorSpec(**found))
    model = convert(program, spec, opset)
    _, _, height, width = input_shape(model)
    if height is not None and width is not None:
        spec = replace(spec, sizes=SizePolicy(image_shape=(height, width)))
    return model, from_folder(program, model, spec, told.said, images)
