"""The operations of an ONNX graph, whose weights are its constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.reversal.operations import Kind, Operation, Weight
from runtime.errors import ArtifactError
from runtime.fields import shown

MOST_NODES = 50_000
"""A hundred times what the largest of PaddleOCR's networks has."""
_FLOAT = onnx.TensorProto.FLOAT
_KEEPING = ("Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten")
"""Give their first input's values in another shape."""
_PASSING = (*_KEEPING, "Transpose")
_ONNX_DOMAINS = ("", "ai.onnx")
_PADDLE_GATES = (0, 2, 3, 1)
"""ONNX has an LSTM's gates as i, o, f, c; paddle as i, f, c, o."""
_MULTIPLYING: dict[str, Kind] = {"Conv": "conv", "ConvTranspose": "transposed"}
_ELEMENTWISE: dict[str, tuple[Kind, str]] = {"Add": ("sum", "shift"), "Mul": ("scale", "scale")}


def operations_of(model: onnx.ModelProto) -> list[Operation]:
    """List the operations of a graph in its order.

    Args:
        model: of FP32 weights, as `load_model` gives it.

    Raises:
        ArtifactError: if it has control flow, too many nodes, or weights where this project's
            networks have none.
    """
    nodes = model.graph.node
    if len(nodes) > MOST_NODES:
        raise ArtifactError(
            f"the model has {len(nodes):,} nodes: expected {MOST_NODES:,} at most, as a text "
            "recogniser or detector has; check that it is one"
        )
    for node in nodes:
        if any(part.HasField("g") or part.graphs for part in node.attribute):
            raise ArtifactError(
                f"cannot read weights from a graph with control flow: expected plain nodes, got "
                f"{node.op_type} {shown(node.name)}; export the network without it"
            )
    constants = _Constants(model.graph)
    return [_operation(node, constants) for node in nodes]


class _Constants:
    """The float weights of a graph by the names under which nodes take them."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._nodes: dict[str, onnx.NodeProto] = {}
        for node in graph.node:
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.HasField("t"):
                        self._tensors[node.output[0]] = attribute.t
            elif node.op_type in _PASSING and node.input and node.output:
                self._nodes[node.output[0]] = node

    def weight(self, name: str) -> Weight | None:
        """Return the weight of a name, whatever reshaped it; None if it is none."""
        path: list[onnx.NodeProto] = []
        while name in self._nodes and len(path) <= len(self._nodes):
            path.append(self._nodes[name])
            name = path[-1].input[0]
        tensor = self._tensors.get(name)
        if tensor is None or tensor.data_type != _FLOAT:
            return None
        array: NDArray[Any] = numpy_helper.to_array(tensor)
        for node in reversed(path):
            if node.op_type == "Transpose":
                axes = _attribute(node, "perm", None)
                if axes is not None and sorted(axes) != list(range(array.ndim)):
                    return None
                array = array.transpose(axes)
        return Weight(name, array)


def _operation(node: onnx.NodeProto, constants: _Constants) -> Operation:
    taken = [(name, constants.weight(name)) for name in node.input if name]
    weights = [weight for _, weight in taken if weight is not None]
    inputs = tuple(name for name, weight in taken if weight is None)
    if weights and node.domain not in _ONNX_DOMAINS:
        raise ArtifactError(
            f"cannot read weights from {node.op_type} {shown(node.name)} of {shown(node.domain)}: "
            "expected ONNX's own operators, got one into which an optimiser joined others; give "
            "the file that it optimised"
        )
    kind: Kind = ""
    roles: dict[str, Weight] = {}
    if node.op_type in _PASSING:
        kind = "pass"
    elif node.op_type in _MULTIPLYING and weights:
        kind, roles = (
            _MULTIPLYING[node.op_type],
            dict(zip(("kernel", "bias"), weights, strict=False)),
        )
    elif node.op_type == "MatMul" and len(weights) == 1 and taken[1][1] is not None:
        kind, roles = "product", {"kernel": weights[0]}
    elif node.op_type == "Gemm" and weights and taken[1][1] is not None:
        kind, roles = "product", _of_gemm(node, weights)
    elif node.op_type in _ELEMENTWISE and len(weights) == 1 and inputs:
        kind, role = _ELEMENTWISE[node.op_type]
        roles = {role: weights[0]}
    elif node.op_type == "BatchNormalization" and len(weights) == 4:
        names = ("scale", "shift", "mean", "variance")
        kind, roles = "batch_norm", dict(zip(names, weights, strict=True))
        roles["variance"] = _with_epsilon(roles["variance"], _attribute(node, "epsilon", 1e-5))
    elif node.op_type == "LayerNormalization" and len(weights) == 2:
        kind, roles = "layer_norm", dict(zip(("scale", "shift"), weights, strict=True))
    elif node.op_type == "LSTM" and len(weights) >= 3:
        kind, roles = "lstm", _of_lstm(weights)
    return Operation(kind, inputs, tuple(filter(None, node.output)), roles)


def _of_gemm(node: onnx.NodeProto, weights: list[Weight]) -> dict[str, Weight]:
    kernel, *bias = weights
    if _attribute(node, "transB", 0):
        kernel = Weight(kernel.name, kernel.array.T)
    factors = _attribute(node, "alpha", 1.0), _attribute(node, "beta", 1.0)
    if factors != (1.0, 1.0) or _attribute(node, "transA", 0):
        raise ArtifactError(
            f"Gemm {shown(node.name)}: expected a plain linear layer, got one with factors "
            f"{factors} or a turned input; export the network as PaddleOCR does"
        )
    return dict(zip(("kernel", "bias"), (kernel, *bias), strict=False))


def _with_epsilon(variance: Weight, epsilon: float) -> Weight:
    """Return a variance to which paddle's own summand is added, not the file's."""
    moved = np.float64(variance.array) + epsilon - 1e-5
    return Weight(variance.name, np.maximum(moved, 0.0).astype(np.float32))


def _of_lstm(weights: list[Weight]) -> dict[str, Weight]:
    """Name an LSTM's weights as paddle does: gates in its order, each direction by itself."""
    inside, hidden, bias = (weight.array for weight in weights[:3])
    roles = {}
    if inside.ndim != 3 or hidden.ndim != 3 or bias.ndim != 2 or bias.shape[1] % 8:
        raise ArtifactError(
            f"LSTM {shown(weights[0].name)}: expected weights [directions, 4 H, C], got "
            f"{list(inside.shape)}; export the network again"
        )
    halves = np.split(bias, 2, axis=1)
    for direction, suffix in zip(range(len(inside)), ("", "_reverse"), strict=False):
        for role, arrays in (
            ("weight_ih", inside),
            ("weight_hh", hidden),
            ("bias_ih", halves[0]),
            ("bias_hh", halves[1]),
        ):
            gates = np.split(arrays[direction], 4)
            ordered = np.concatenate([gates[gate] for gate in _PADDLE_GATES])
            roles[role + suffix] = Weight(weights[0].name, ordered)
    return roles


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default
