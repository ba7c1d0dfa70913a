"""Puts casts and reorderings around somebody else's network, so that it is one of this project's.

Everything behind (engines, FP16, other readers) then finds float32 [N, C, H, W] -> [N, T, K] with
the blank first, whatever the network itself takes and emits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from runtime.recognition.model.ends import Ends
from runtime.recognition.model.layout import OutputLayout
from runtime.recognition.spec import RecognizerSpec

_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def make_canonical(
    model: onnx.ModelProto, ends: Ends, layout: OutputLayout, spec: RecognizerSpec
) -> tuple[RecognizerSpec, list[str]]:
    """Change a network's ends to float32 [N, C, H, W] and float32 [N, T, K], the blank first.

    Args:
        model: changed in place; nodes of its own stay as they are.
        ends: of the model as it came.
        layout: of the model as it came.
        spec: of the recogniser.

    Returns:
        the spec with the names of the new ends, and what was changed, in words.
    """
    graph, place = model.graph, _free_place(model.graph)
    source = next(value for value in graph.input if value.name == ends.input_name)
    changes = []
    if source.type.tensor_type.shape.dim[2].dim_value != spec.height:
        source.type.tensor_type.shape.dim[2].dim_value = spec.height
        changes.append(f"height fixed at {spec.height} px")
    if ends.is_half_input:
        # The cast takes over the input's name, which subgraphs may use too.
        name, source.name = source.name, f"{place}/input"
        cast = helper.make_node("Cast", [source.name], [name], f"{place}/half", to=_HALF)
        graph.node.insert(0, cast)
        source.type.tensor_type.elem_type = _FLOAT
        changes.append("input cast from float32 to float16")
    turned = _turn_output(graph, ends, layout, spec.num_classes, place)
    return replace(spec, input_name=source.name, output_name=graph.output[0].name), changes + turned


def _turn_output(
    graph: onnx.GraphProto, ends: Ends, layout: OutputLayout, num_classes: int, place: str
) -> list[str]:
    """Leave one output, float32 [N, T, K] with the blank first; what was changed, in words."""
    target = next(value for value in graph.output if value.name == ends.output_name)
    dimensions = list(target.type.tensor_type.shape.dim)
    steps: list[tuple[str, list[str], dict[str, object]]] = []
    changes = []
    if ends.is_half_output:
        steps.append(("Cast", [], {"to": _FLOAT}))
        changes.append("output cast from float16 to float32")
    if layout.axes != (0, 1, 2):
        steps.append(("Transpose", [], {"perm": list(layout.axes)}))
        dimensions = [dimensions[axis] for axis in layout.axes] if len(dimensions) == 3 else []
        changes.append(f"output turned from [{', '.join(layout.letters)}] to [N, T, K]")
    if layout.is_blank_last:
        order = np.array([num_classes - 1, *range(num_classes - 1)], np.int64)
        graph.initializer.append(numpy_helper.from_array(order, f"{place}/order"))
        steps.append(("Gather", [f"{place}/order"], {"axis": 2}))
        changes.append("blank moved from the last class to the first")
    if len(graph.output) > 1:
        changes.append("the other outputs left out")
    name = target.name
    for operator, more, attributes in steps:
        result = f"{place}/{operator}"
        graph.node.append(helper.make_node(operator, [name, *more], [result], result, **attributes))
        name = result
    if changes:
        output = helper.make_tensor_value_info(name, _FLOAT, None)
        if dimensions:
            output.type.tensor_type.shape.dim.extend(dimensions)
        del graph.output[:]
        graph.output.append(output)
    return changes


def _free_place(graph: onnx.GraphProto) -> str:
    """Return a prefix that no name of the graph's values has."""
    names = [name for node in graph.node for name in node.output]
    names += [value.name for value in (*graph.input, *graph.initializer)]
    place = "adopted"
    while any(name.startswith(f"{place}/") for name in names):
        place += "_"
    return place
