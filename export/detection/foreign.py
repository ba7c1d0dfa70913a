"""Puts casts and a sigmoid around somebody else's detector, so that it is one of this project's.

Everything behind (engines, FP16, other readers) then finds float32 [N, C, H, W] -> probabilities,
float32 [N, 1, H, W], whatever the network itself takes and emits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.conversion.graph import opset_of
from runtime.detection.map_session import MapSession
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec
from runtime.errors import ArtifactError

_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16
_AXES_ARE_INPUTS = 13
"""Opset since which Unsqueeze takes its axes as an input."""


def make_canonical(
    model: onnx.ModelProto, session: MapSession, spec: DetectorSpec, where: str
) -> tuple[DetectorSpec, list[str]]:
    """Change a network's ends to float32 [N, C, H, W] and float32 [N, 1, H, W].

    Args:
        model: changed in place; nodes of its own stay as they are.
        session: of the model as it came.
        spec: of the detector.
        where: the file, for messages.

    Returns:
        the spec with the names of the new ends and the sizes that the network takes, and what was
        changed, in words.

    Raises:
        ArtifactError: if the network fixes its width alone.
    """
    graph, place, ends = model.graph, _free_place(model.graph), session.ends
    source = next(value for value in graph.input if value.name == ends.input_name)
    changes = []
    if ends.is_half_input:
        # The cast takes over the input's name, which subgraphs may use too.
        name, source.name = source.name, f"{place}/input"
        cast = helper.make_node("Cast", [source.name], [name], f"{place}/half", to=_HALF)
        graph.node.insert(0, cast)
        source.type.tensor_type.elem_type = _FLOAT
        changes.append("input cast from float32 to float16")
    sizes = _sizes(spec.sizes, ends.input_shape, where)
    changes += _turn_output(model, session, place)
    ends_named = {"input_name": source.name, "output_name": graph.output[0].name}
    return replace(spec, sizes=sizes, **ends_named), changes


def _sizes(sizes: SizePolicy, shape: tuple[int | None, ...], where: str) -> SizePolicy:
    """Return the sizes that a network takes whose H or W is fixed, else those given."""
    height, width = shape[2:]
    if height is None and width is None:
        return sizes
    if height is None:
        raise ArtifactError(
            f"{where}: its width alone is fixed at {width} px: expected height and width open, or "
            "both fixed; export it so"
        )
    return SizePolicy(image_shape=(height, width or height), keep_ratio=width is None)


def _turn_output(model: onnx.ModelProto, session: MapSession, place: str) -> list[str]:
    """Leave one output, probabilities, float32 [N, 1, H, W]; return what was changed, in words."""
    graph = model.graph
    target = next(value for value in graph.output if value.name == session.ends.output_name)
    dimensions = list(target.type.tensor_type.shape.dim)
    steps: list[tuple[str, list[str], dict[str, object]]] = []
    changes = []
    if target.type.tensor_type.elem_type == _HALF:
        steps.append(("Cast", [], {"to": _FLOAT}))
        changes.append("output cast from float16 to float32")
    if session.is_flat:
        if opset_of(model) >= _AXES_ARE_INPUTS:
            axis = numpy_helper.from_array(np.array([1], np.int64), f"{place}/axis")
            graph.initializer.append(axis)
            steps.append(("Unsqueeze", [axis.name], {}))
        else:
            steps.append(("Unsqueeze", [], {"axes": [1]}))
        channel = onnx.TensorShapeProto.Dimension(dim_value=1)
        dimensions = [dimensions[0], channel, *dimensions[1:]] if len(dimensions) == 3 else []
        changes.append("output turned from [N, H, W] to [N, 1, H, W]")
    if session.has_logits:
        steps.append(("Sigmoid", [], {}))
        changes.append("logits made probabilities")
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
