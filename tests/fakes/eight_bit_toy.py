"""An 8-bit form of the toy network, as the exporter's quantiser writes weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from runtime.files import sha256_of_file
from runtime.recognition.spec import SPEC_KEY


def write_eight_bit(model: Path, form: Path | None = None, source_sha256: str = "") -> Path:
    """Write the 8-bit form of a toy model, `NAME_int8.onnx` beside it unless another is named.

    Args:
        source_sha256: of the file that it says it was made from; of `model` when empty.
    """
    graph = onnx.load(model)
    (weights,) = (tensor for tensor in graph.graph.initializer if tensor.name == "weights")
    values = numpy_helper.to_array(weights)
    scale = np.float32(np.abs(values).max() / 127)
    rounded = np.round(values / scale).astype(np.int8)
    graph.graph.initializer.remove(weights)
    for name, value in (("small", rounded), ("scale", scale), ("zero", np.int8(0))):
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    widen = helper.make_node("DequantizeLinear", ["small", "scale", "zero"], ["weights"])
    graph.graph.node.insert(0, widen)
    for entry in graph.metadata_props:
        if entry.key == SPEC_KEY:
            spec = json.loads(entry.value)
            spec["provenance"] = {
                "source_onnx_sha256": source_sha256 or sha256_of_file(model),
                "precision": {"achieved": "int8"},
            }
            entry.value = json.dumps(spec)
    path = form or model.with_name(f"{model.stem}_int8.onnx")
    onnx.save(graph, path)
    return path
