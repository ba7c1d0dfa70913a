"""Nodes around somebody else's network that make its ends those of this project's networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16


class ForeignEnds:
    """The ends of a graph that is changed in place; nodes of its own stay as they are.

    Args:
        graph: of the model.
        input_name, output_name: of its ends as it came; other outputs are left out.
    """

    def __init__(self, graph: onnx.GraphProto, input_name: str, output_name: str) -> None:
        self.graph = graph
        self.source = next(value for value in graph.input if value.name == input_name)
        self._target = next(value for value in graph.output if value.name == output_name)
        self.dimensions = list(self._target.type.tensor_type.shape.dim)
        """Of the output that results; empty where they are not known."""
        self.changes: list[str] = []
        """What was changed, in words."""
        self._place, self._last = _free_place(graph), output_name

    def cast_to_float(self) -> None:
        """Take and emit float32 where the network has float16."""
        if self.source.type.tensor_type.elem_type == _HALF:
            # The cast takes over the input's name, which subgraphs may use too.
            name, self.source.name = self.source.name, f"{self._place}/input"
            half = f"{self._place}/half"
            cast = helper.make_node("Cast", [self.source.name], [name], half, to=_HALF)
            self.graph.node.insert(0, cast)
            self.source.type.tensor_type.elem_type = _FLOAT
            self.changes.append("input cast from float32 to float16")
        if self._target.type.tensor_type.elem_type == _HALF:
            self.append("Cast", "output cast from float16 to float32", to=_FLOAT)

    def append(
        self, operator: str, change: str, *constants: NDArray[np.int64], **attributes: Any
    ) -> None:
        """Put a node behind the output.

        Args:
            operator: of ONNX.
            change: what it changes, in words.
            constants: further inputs.
            attributes: of the node.
        """
        inputs = [self._last]
        for number, array in enumerate(constants):
            name = f"{self._place}/{operator}_{number}"
            self.graph.initializer.append(numpy_helper.from_array(array, name))
            inputs.append(name)
        self._last = f"{self._place}/{operator}"
        node = helper.make_node(operator, inputs, [self._last], self._last, **attributes)
        self.graph.node.append(node)
        self.changes.append(change)

    def finish(self) -> tuple[str, str]:
        """Declare the one output, float32; return the names of both ends."""
        if len(self.graph.output) > 1:
            self.changes.append("the other outputs left out")
        if self._last != self._target.name or len(self.graph.output) > 1:
            output = helper.make_tensor_value_info(self._last, _FLOAT, None)
            if self.dimensions:
                output.type.tensor_type.shape.dim.extend(self.dimensions)
            del self.graph.output[:]
            self.graph.output.append(output)
        return self.source.name, self.graph.output[0].name


def _free_place(graph: onnx.GraphProto) -> str:
    """Return a prefix that no name of the graph's values has."""
    names = [name for node in graph.node for name in node.output]
    names += [value.name for value in (*graph.input, *graph.initializer)]
    place = "adopted"
    while any(name.startswith(f"{place}/") for name in names):
        place += "_"
    return place
