"""FP32 graph -> FP16 graph with chosen nodes left in FP32, checked afterwards.

A value is cast where it passes between FP16 and FP32 nodes, once for all who take it. FP32 nodes
hand on to FP32 nodes directly, never through FP16, where it would overflow exactly where FP32 was
asked for. Inputs and outputs of the graph stay FP32.

Converters at hand were tried and left: onnxconverter-common 1.16 raises small weights and cuts
large ones, leads kept regions through FP16, and fails where several nodes take a casted value.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from copy import deepcopy

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.conversion.graph_view import FLOAT, FLOAT16, GraphView, float_nodes, replace_nodes, view
from runtime.errors import ArtifactError

HALF_MAX = float(np.finfo(np.float16).max)
_ANY_TYPE = ("Shape", "Size")
"""They take either type and make no float."""
_SCALING = ("Resize", "Upsample")
"""Their factors are FP32 whatever they scale."""


def half_from_float(source: GraphView, kept: Set[str]) -> onnx.ModelProto:
    """Convert every node but the kept ones to FP16; inputs and outputs stay FP32.

    Args:
        source: the FP32 graph, every node named.
        kept: names of nodes that stay FP32.

    Returns:
        The model, valid, its metadata as in the source.

    Raises:
        ArtifactError: if the result is not what was asked for.
    """
    half = {node.name for node in float_nodes(source)} - kept
    model = deepcopy(source.model)
    del model.graph.value_info[:]
    conversion = _Conversion(source, half)
    nodes = [made for node in source.nodes for made in conversion.converted(node)]
    replace_nodes(model.graph, nodes)
    del model.graph.initializer[:]
    model.graph.initializer.extend(conversion.weights.values())
    check(model, source, {node.name for node in source.nodes} - half)
    return model


class _Conversion:
    """Goes through a graph in order and keeps what each value is called in either type.

    Args:
        source: the FP32 graph.
        half: names of the nodes to be FP16.
    """

    def __init__(self, source: GraphView, half: Set[str]) -> None:
        self.weights: dict[str, onnx.TensorProto] = {}
        """The weights that the nodes converted so far take."""
        self._source = source
        self._half = half
        self._outputs = {value.name for value in source.model.graph.output}
        self._names: dict[tuple[str, int], str] = {
            (value.name, FLOAT): value.name for value in source.model.graph.input
        }

    def converted(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """Yield the node in its type, after the casts that it needs and before those of outputs."""
        copy = deepcopy(node)
        kind = FLOAT16 if node.name in self._half else FLOAT
        for index, name in enumerate(node.input):
            if name in self._source.weights:
                weight_kind = FLOAT if _stays_float(node, index) else kind
                copy.input[index] = self._weight(name, weight_kind)
            elif self._source.types.get(name) == FLOAT:
                if node.op_type in _ANY_TYPE:
                    copy.input[index] = self._original_name(name)
                    continue
                if (name, kind) not in self._names:
                    yield self._cast(name, kind)
                copy.input[index] = self._names[name, kind]
        if kind == FLOAT16:
            _halve_attributes(copy)
        casts = []
        for index, name in enumerate(node.output):
            if self._source.types.get(name) != FLOAT:
                continue
            self._names[name, kind] = name
            if kind == FLOAT16 and name in self._outputs:
                copy.output[index] = self._names[name, FLOAT16] = f"{name}__fp16"
                casts.append(self._cast(name, FLOAT))
        yield copy
        yield from casts

    def _original_name(self, name: str) -> str:
        """Return the name of a value in the type that it is made in."""
        return self._names.get((name, FLOAT16)) or self._names[name, FLOAT]

    def _cast(self, name: str, kind: int) -> onnx.NodeProto:
        taken = self._original_name(name) if kind == FLOAT else self._names[name, FLOAT]
        is_output = kind == FLOAT and name in self._outputs
        made = name if is_output else f"{name}__{'fp16' if kind == FLOAT16 else 'fp32'}"
        self._names[name, kind] = made
        return helper.make_node("Cast", [taken], [made], name=f"{made}__cast", to=kind)

    def _weight(self, name: str, kind: int) -> str:
        """Return the name of a weight in its node's type; copy one that both types take."""
        weight = self._source.weights[name]
        if weight.data_type != FLOAT:
            self.weights[name] = weight
            return name
        if kind == FLOAT16:
            if name not in self.weights:
                self.weights[name] = _round_to_half(weight, name)
            return name
        users = self._source.consumers.get(name, ())
        is_shared = any(user.name in self._half for user in users)
        made = f"{name}_fp32" if is_shared else name
        if made not in self.weights:
            self.weights[made] = deepcopy(weight)
            self.weights[made].name = made
        return made


def _stays_float(node: onnx.NodeProto, index: int) -> bool:
    """Tell whether an input has no FP16 form."""
    return node.op_type in _SCALING and index > 0


def _round_to_half(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    """Round a tensor of FP32 values to nearest in FP16; what overflows is refused later."""
    with np.errstate(over="ignore"):
        return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name)


def _halve_attributes(node: onnx.NodeProto) -> None:
    """Convert the constants that a node holds itself to FP16, in place."""
    for attribute in node.attribute:
        if attribute.HasField("t") and attribute.t.data_type == FLOAT:
            attribute.t.CopyFrom(_round_to_half(attribute.t, attribute.t.name))
        elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
            values = helper.get_attribute_value(attribute)
            value = numpy_helper.from_array(np.array(values, np.float16))
            attribute.CopyFrom(helper.make_attribute("value", value))


def check(model: onnx.ModelProto, source: GraphView, kept: Set[str]) -> None:
    """Compare a converted graph with what was asked for.

    Raises:
        ArtifactError: if it is not valid ONNX, a node or an output has another type than asked
            for, or a weight is not the rounded original.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ArtifactError(f"the FP16 graph is not valid ONNX: {error}; keep FP32") from error
    result = view(model)
    for output in source.model.graph.output:
        if result.types[output.name] != source.types[output.name]:
            raise ArtifactError(f"the FP16 graph's output {output.name} is not FP32; keep FP32")
    nodes = {node.name: node for node in result.nodes}
    for node in source.nodes:
        has_floats = source.of_type((*node.input, *node.output), FLOAT)
        if not has_floats or node.op_type in ("Cast", *_ANY_TYPE):
            continue
        got = nodes[node.name]
        wrong = FLOAT16 if node.name in kept else FLOAT
        taken = [name for index, name in enumerate(got.input) if not _stays_float(got, index)]
        if found := result.of_type((*taken, *got.output), wrong):
            what = "FP32" if node.name in kept else "FP16"
            raise ArtifactError(
                f"the FP16 graph is not as asked for: expected {node.op_type} {node.name} in "
                f"{what}, got another type at {found[0]}; keep FP32"
            )
    _check_weights(result, source)


def _check_weights(result: GraphView, source: GraphView) -> None:
    for name in result.weights:
        original = name if name in source.weights else name.removesuffix("_fp32")
        expected = numpy_helper.to_array(source.weights[original])
        got = result.values_of(name)
        with np.errstate(over="ignore"):
            rounded = expected.astype(got.dtype)
        if not np.array_equal(rounded, got, equal_nan=True) or (
            np.isfinite(expected).all() and not np.isfinite(got).all()
        ):
            raise ArtifactError(
                f"the FP16 graph's weight {name} is not its rounded original: expected at most "
                f"{HALF_MAX:g}, got {np.abs(expected).max():g}; keep its node FP32"
            )
