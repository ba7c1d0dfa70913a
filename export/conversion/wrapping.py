"""Puts an engine's own steps around a network, as nodes, so that the device runs them too."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from runtime.errors import ArtifactError
from runtime.spec import ModelSpec

_OLDEST_OPSET = 13
"""Since then Squeeze and Unsqueeze take their axes as an input, as written here."""


class NodeMaker:
    """Makes nodes and constants whose names tell their place.

    Args:
        place: before or after the network.
    """

    def __init__(self, place: str) -> None:
        self.place = f"engine/{place}"
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str = "",
        **attributes: int | Sequence[int],
    ) -> str:
        """Add a node; return the name of what it makes."""
        name = f"{self.place}/{operator}_{len(self.nodes)}"
        output = output or f"{name}_out"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def constant(self, value: NDArray[np.generic] | np.generic, name: str) -> str:
        """Add a constant; return its name."""
        name = f"{self.place}/{name}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def copy_of(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model, raised to a usable opset where its own is too old."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    opsets = (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    opset = next(opsets, 0)
    if opset >= _OLDEST_OPSET:
        return copy
    try:
        raised: onnx.ModelProto = onnx.version_converter.convert_version(copy, _OLDEST_OPSET)
    except RuntimeError as error:
        raise ArtifactError(
            f"cannot raise the model from opset {opset}: expected {_OLDEST_OPSET} or later "
            f"({' '.join(str(error).split())[:200]}); export it with a later opset"
        ) from error
    return raised


def check_ends(graph: onnx.GraphProto, spec: ModelSpec, taken: Collection[str]) -> None:
    """Refuse a network whose ends are not as its spec says, or whose names are an engine's.

    Args:
        graph: of the network.
        spec: of it.
        taken: names of the engine's inputs and outputs; the network's own output may have one.

    Raises:
        ArtifactError: if it is so.
    """
    weights = {weight.name for weight in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in weights]
    outputs = [value.name for value in graph.output]
    if inputs != [spec.input_name] or outputs != [spec.output_name]:
        raise ArtifactError(
            f"not the {spec.title} that its spec describes: expected {spec.input_name} -> "
            f"{spec.output_name}, got {', '.join(inputs)} -> {', '.join(outputs)}; export it again"
        )
    names = {name for node in graph.node for name in node.output} | weights | {spec.input_name}
    if common := (names - {spec.output_name}) & set(taken):
        raise ArtifactError(
            f"the model names a tensor of its own {min(common)!r}, which the engine's input or "
            "output is called; export it with another name"
        )


def check_valid(wrapped: onnx.ModelProto) -> None:
    """Let ONNX's checker look at an engine graph.

    Raises:
        ArtifactError: if it refuses the graph.
    """
    try:
        onnx.checker.check_model(wrapped, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ArtifactError(
            f"the engine graph is not valid ONNX: {' '.join(str(error).split())[:400]}; export "
            "the model again"
        ) from error


def dimension_of(value: onnx.ValueInfoProto, axis: int) -> int | str:
    """Return size or name of a dimension; a name of its own when it has neither."""
    dimension = value.type.tensor_type.shape.dim[axis]
    if dimension.HasField("dim_value"):
        return int(dimension.dim_value)
    return str(dimension.dim_param) or f"{value.name}_{axis}"
