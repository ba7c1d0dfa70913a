"""Types, producers and consumers of an ONNX graph's tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from runtime.errors import ArtifactError

FLOAT = onnx.TensorProto.FLOAT
FLOAT16 = onnx.TensorProto.FLOAT16


@dataclass(frozen=True)
class GraphView:
    """A graph looked at from its tensors.

    Args:
        model: looked at, not changed.
        types: element type of every tensor, weights included, where inference knows it.
        producers: node that makes a tensor.
        consumers: nodes that take a tensor, in order.
        weights: initialisers by name.
    """

    model: onnx.ModelProto
    types: Mapping[str, int]
    producers: Mapping[str, onnx.NodeProto]
    consumers: Mapping[str, tuple[onnx.NodeProto, ...]]
    weights: Mapping[str, onnx.TensorProto]

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        """The nodes in order, each before those that need it."""
        return list(self.model.graph.node)

    def values_of(self, name: str) -> NDArray[np.generic]:
        """Return the values of a weight."""
        array: NDArray[np.generic] = numpy_helper.to_array(self.weights[name])
        return array

    def of_type(self, names: Iterable[str], element_type: int) -> list[str]:
        """Return those of `names` that have an element type."""
        return [name for name in names if self.types.get(name) == element_type]


def view(model: onnx.ModelProto) -> GraphView:
    """Infer types and list who makes and who takes each tensor.

    Args:
        model: every node named, no control flow.

    Raises:
        ArtifactError: if the graph contradicts itself.
    """
    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        raise ArtifactError(
            f"the ONNX graph contradicts itself: {' '.join(str(error).split())[:400]}; "
            "export the model again"
        ) from error
    graph = inferred.graph
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    weights = {weight.name: weight for weight in model.graph.initializer}
    types.update({name: weight.data_type for name, weight in weights.items()})
    consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    producers: dict[str, onnx.NodeProto] = {}
    for node in model.graph.node:
        for name in dict.fromkeys(filter(None, node.input)):
            consumers[name].append(node)
        for name in filter(None, node.output):
            producers[name] = node
    listed = {name: tuple(nodes) for name, nodes in consumers.items()}
    return GraphView(model, types, producers, listed, weights)


def named_copy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model so that every node has a name of its own.

    Raises:
        ArtifactError: if the graph holds control flow, into which the conversion does not reach.
    """
    copy = deepcopy(model)
    taken: set[str] = set()
    for number, node in enumerate(copy.graph.node):
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise ArtifactError(
                    f"cannot change the precision of a graph with control flow: expected plain "
                    f"nodes, got {node.op_type} {node.name!r}; export the network without "
                    "data-dependent branches"
                )
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{number}_"
        taken.add(node.name)
    return copy


def float_nodes(source: GraphView) -> list[onnx.NodeProto]:
    """List the nodes that take or make FP32 values and may be converted."""
    return [
        node
        for node in source.nodes
        if node.op_type not in ("Cast", "Shape", "Size")
        and source.of_type((*node.input, *node.output), FLOAT)
    ]


def replace_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Replace a graph's nodes by these, some of which may be its own."""
    copies = [deepcopy(node) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
