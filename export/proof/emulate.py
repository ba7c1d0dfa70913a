"""What an FP16 graph computes, on a CPU, with every rounding and every overflow.

onnxruntime's CPU provider does not show it: its x86 build has hardly any FP16 kernel, so it puts
casts around each node, takes away the pairs FP16 -> FP32 that meet, and computes in FP32 from one
end to the other, even with all optimisations off. 1000 * 1000 in FP16 comes out as a million there
and as infinity on a GPU.

So the FP16 graph is rewritten in FP32: weights keep their rounded values, and every value that is
FP16 is rounded explicitly by casts FP32 -> FP16 -> FP32, which onnxruntime leaves alone.
`check_rounding` proves that with the very package installed before anything relies on it.

Not emulated: rounding inside a node. GPU kernels accumulate products in FP32 as a rule. An LSTM
would round its state at each step, where here only what leaves it is rounded: recurrent nodes stay
FP32.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.conversion.graph_view import FLOAT, FLOAT16, GraphView, replace_nodes, view
from export.conversion.precision_of import has_half
from runtime.errors import EngineError

# They hand on values, or choose among them, so that what they make is rounded already.
_EXACT = (
    *("Concat", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Relu", "Reshape"),
    *("Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
)


def emulation_of(half: onnx.ModelProto) -> onnx.ModelProto:
    """FP32 graph that computes what an FP16 one does.

    Args:
        half: a graph with FP16 parts.

    Returns:
        A model with the same inputs and outputs.
    """
    half_view = view(half)
    model = onnx.ModelProto()
    model.CopyFrom(half)
    graph = model.graph
    del graph.value_info[:]
    for weight in graph.initializer:
        if weight.data_type == FLOAT16:
            widened = numpy_helper.to_array(weight).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(widened, weight.name))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes += _rounding(node, half_view)
    replace_nodes(graph, nodes)
    return model


def _rounding(node: onnx.NodeProto, half: GraphView) -> list[onnx.NodeProto]:
    """The node in FP32, and after it the rounding of what it makes in FP16."""
    is_cast = node.op_type == "Cast"
    if is_cast and half.types.get(node.input[0]) == FLOAT16:
        (target,) = (attribute for attribute in node.attribute if attribute.name == "to")
        if target.i == FLOAT:
            return [helper.make_node("Identity", node.input, node.output, name=node.name)]
    if is_cast and half.types.get(node.output[0]) == FLOAT16:
        return _round_trip(node.input[0], node.output[0])
    for attribute in node.attribute:
        if attribute.HasField("t") and attribute.t.data_type == FLOAT16:
            widened = numpy_helper.to_array(attribute.t).astype(np.float32)
            attribute.t.CopyFrom(numpy_helper.from_array(widened))
    if node.op_type in _EXACT:
        return [node]
    rounded: list[onnx.NodeProto] = []
    for index, name in enumerate(node.output):
        if name and half.types.get(name) == FLOAT16:
            node.output[index] = f"{name}__before_rounding"
            rounded += _round_trip(node.output[index], name)
    return [node, *rounded]


def _round_trip(source: str, target: str) -> list[onnx.NodeProto]:
    between = f"{target}__half"
    return [
        helper.make_node("Cast", [source], [between], name=f"{target}__to_half", to=FLOAT16),
        helper.make_node("Cast", [between], [target], name=f"{target}__to_float", to=FLOAT),
    ]


def cpu_session(model: onnx.ModelProto, is_exact: bool = False) -> Any:
    """An onnxruntime session on the CPU.

    Args:
        model: to run.
        is_exact: run every node as it stands, nothing fused or folded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if is_exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        # With it FP16 graphs crash the process; FP32 ones run as the runtime runs them.
        disabled_optimizers=["NchwcTransformer"] if has_half(model) else None,
    )


def emulated_session(half: onnx.ModelProto) -> Any:
    """A session that computes what an FP16 graph does; see the head of this file.

    Raises:
        EngineError: if the installed onnxruntime takes the rounding away.
    """
    check_rounding()
    return cpu_session(emulation_of(half), is_exact=True)


@cache
def check_rounding() -> None:
    """Prove that an emulated overflow overflows.

    Raises:
        EngineError: if it does not.
    """
    results = emulated_session_of_canary().run(None, {"x": np.array([0.01, 1], np.float32)})[0]
    if not (np.isfinite(results[0]) and np.isinf(results[1])):
        raise EngineError(
            f"this onnxruntime hides FP16 overflow: expected [1, inf] from an emulated "
            f"x * 1000 * 1000 / 10000, got {results.tolist()}; FP16 cannot be proven with it, "
            "install onnxruntime 1.20 to 1.32"
        )


def emulated_session_of_canary() -> Any:
    """The emulation of x * 1000 * 1000 / 10000 in FP16, which overflows at x = 1."""
    return cpu_session(emulation_of(canary()), is_exact=True)


def canary() -> onnx.ModelProto:
    """FP16 graph of x * 1000 * 1000 / 10000, FP32 [N] in and out."""
    steps = [("Mul", "thousand"), ("Mul", "thousand"), ("Div", "ten_thousand")]
    nodes = [helper.make_node("Cast", ["x"], ["t0"], name="in", to=FLOAT16)]
    for index, (kind, factor) in enumerate(steps):
        nodes.append(
            helper.make_node(kind, [f"t{index}", factor], [f"t{index + 1}"], name=f"n{index}")
        )
    nodes.append(helper.make_node("Cast", ["t3"], ["y"], name="out", to=FLOAT))
    constants: dict[str, NDArray[np.float16]] = {
        "thousand": np.array(1e3, np.float16),
        "ten_thousand": np.array(1e4, np.float16),
    }
    graph = helper.make_graph(
        nodes,
        "canary",
        [helper.make_tensor_value_info("x", FLOAT, ["N"])],
        [helper.make_tensor_value_info("y", FLOAT, ["N"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
