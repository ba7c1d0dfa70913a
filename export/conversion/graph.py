"""An ONNX graph made clean, stable and self-describing; needs no paddle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import onnx

from export.conversion.denormals import set_denormals_to_zero
from runtime.errors import ArtifactError
from runtime.files import sha256_of
from runtime.spec import ModelSpec

IR_VERSION = 8
"""Read by onnxruntime 1.10 and later."""


def finish(raw: onnx.ModelProto, spec: ModelSpec, batch_size: int | None) -> onnx.ModelProto:
    """Fold, clean, name and describe a converted model, its denormal weights set to 0.

    Args:
        raw: as the converter left it; one input and one output.
        spec: written into the metadata; it says which sizes are fixed.
        batch_size: N, or None to leave it as it is.

    Returns:
        The model, its input and output by the spec's names, open dimensions by their letters.

    Raises:
        ArtifactError: if the model has other inputs or outputs, fixes another size, or is not
            valid ONNX.
    """
    _check_ends(raw, spec)
    _set_input_shape(raw, spec, [batch_size, *spec.input_sizes])
    model = _simplify(raw)
    set_denormals_to_zero(model)
    _name_values(model, spec)
    _name_dimensions(model, spec, input_shape(model))
    describe(model, spec)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())
        raise ArtifactError(f"the converted model is not valid ONNX: {reason}") from error
    return model


def input_shape(model: onnx.ModelProto) -> list[int | None]:
    """Return the first input's sizes, None where a dimension is open; empty without an input.

    Old files list their weights among the inputs; they do not count.
    """
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    dimensions = inputs[0].type.tensor_type.shape.dim if inputs else []
    return [dimension.dim_value if dimension.dim_value > 0 else None for dimension in dimensions]


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators in a model; 1 where it names none."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return int(versions[0]) if versions else 1


def describe(model: onnx.ModelProto, spec: ModelSpec) -> None:
    """Write the spec into the model's metadata, replacing an earlier one."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {**metadata, **spec.to_metadata()})


def describe_derived(
    model: onnx.ModelProto,
    source: onnx.ModelProto,
    spec: ModelSpec,
    precision: Mapping[str, Any],
    source_sha256: str,
) -> ModelSpec:
    """Describe a form in another precision, with what it was made from.

    Args:
        model: the form; its metadata become those of the source, and the spec.
        source: the FP32 model.
        spec: of the source.
        precision: report of what was achieved.
        source_sha256: of the source's file; of its bytes here when empty.

    Returns:
        the spec that the form carries.
    """
    sha256 = source_sha256 or sha256_of(source.SerializeToString(deterministic=True))
    provenance = {**spec.provenance, "precision": precision, "source_onnx_sha256": sha256}
    own = replace(spec, provenance=provenance)
    del model.metadata_props[:]
    model.metadata_props.extend(source.metadata_props)
    describe(model, own)
    return own


def _check_ends(model: onnx.ModelProto, spec: ModelSpec) -> None:
    graph = model.graph
    if len(graph.input) != 1 or len(graph.output) != 1:
        expected = " -> ".join(f"[{', '.join(letters)}]" for letters in spec.dimensions)
        raise ArtifactError(
            f"the converted model has {len(graph.input)} inputs and {len(graph.output)} outputs: "
            f"expected one of each, {expected}; give a {spec.title}"
        )


def _set_input_shape(model: onnx.ModelProto, spec: ModelSpec, shape: Sequence[int | None]) -> None:
    letters = spec.dimensions[0]
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    if len(dimensions) != len(shape):
        raise ArtifactError(
            f"the converted model takes an input of {len(dimensions)} dimensions: expected "
            f"{len(shape)}, [{', '.join(letters)}]; give a {spec.title}"
        )
    for letter, dimension, size in zip(letters, dimensions, shape, strict=True):
        if size is None:
            continue
        if dimension.dim_value not in (size, 0, -1):
            raise ArtifactError(
                f"the converted model does not take such images: expected {letter} = {size}, got "
                f"one that fixes {letter} = {dimension.dim_value}; ask for that, or export the "
                "model again"
            )
        dimension.dim_value = size


def _simplify(raw: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants, merge BatchNorm into convolutions, and drop unused nodes."""
    import onnxslim

    model = onnxslim.slim(raw)
    if model is None:
        raise ArtifactError("onnxslim returned no model; check that onnxslim is up to date")
    del model.graph.value_info[:]
    del model.metadata_props[:]
    model.ir_version = IR_VERSION
    model.producer_name = "distilrec"
    model.producer_version = ""
    model.doc_string = ""
    return model


def _name_values(model: onnx.ModelProto, spec: ModelSpec) -> None:
    """Give stable names to input, output, nodes, weights and values, in place."""
    graph = model.graph
    ends = {graph.input[0].name: spec.input_name, graph.output[0].name: spec.output_name}
    _number_values(graph, ends)
    graph.input[0].name, graph.output[0].name = spec.input_name, spec.output_name
    graph.name = spec.key.removesuffix("_spec")


def _number_values(graph: onnx.GraphProto, renamed: dict[str, str]) -> None:
    """Name nodes, weights and values by their place, so that the same network gives the same file.

    The converter's own names count up over the life of the process.

    Args:
        graph: changed in place; weights are put in the order of their first use.
        renamed: names that are given already, old -> new; extended.
    """
    weights = {weight.name: weight for weight in graph.initializer}
    used: list[onnx.TensorProto] = []
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for name in node.input:
            if name in weights and name not in renamed:
                renamed[name] = f"weight_{len(used)}"
                used.append(weights[name])
        for index, name in enumerate(node.output):
            if name and name not in renamed:
                renamed[name] = f"{node.name}_{index}" if index else f"{node.name}_out"
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    ordered = []
    for weight in used:
        kept = deepcopy(weight)
        kept.name = renamed[weight.name]
        ordered.append(kept)
    del graph.initializer[:]
    graph.initializer.extend(ordered)


def _name_dimensions(model: onnx.ModelProto, spec: ModelSpec, shape: Sequence[int | None]) -> None:
    """Name what is open. A size of the output that follows from an open one is open too."""
    graph = model.graph
    fixed = {
        letter for letter, size in zip(spec.dimensions[0], shape, strict=True) if size is not None
    }
    follows = {"N": "N", "T": "W", "H": "H", "W": "W"}
    for value, letters in zip((graph.input[0], graph.output[0]), spec.dimensions, strict=True):
        for dimension, letter in zip(value.type.tensor_type.shape.dim, letters, strict=False):
            if letter in follows and follows[letter] not in fixed:
                dimension.dim_param = letter
