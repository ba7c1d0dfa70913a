"""FP32 graph -> FP16 graph with chosen nodes left in FP32, checked afterwards.

onnxconverter-common does the conversion. What it is kept from, or mended after, and why:

- It raises small values to 1e-7 and cuts large ones at 1e4; the bounds given here let it round
  only, and every weight is compared with its rounded original afterwards.
- A weight shared by a kept node and a converted one stays FP32 for both; shared weights are copied
  apart first.
- A kept node whose result goes to several nodes hands it on through FP16 even to kept ones, which
  would overflow exactly where FP32 was asked for; such casts are led around.
- A kept last node makes the output FP16 in spite of `keep_io_types`.
- A cast to FP32 in the original graph would be declared FP16 and stay as it is; it is kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Set

import numpy as np
import onnx
from onnx import numpy_helper

from export.precision.tensors import (
    FLOAT,
    FLOAT16,
    GraphView,
    drop_unused,
    in_order,
    replace_inputs,
    replace_nodes,
    view,
)
from runtime.errors import ArtifactError

HALF_MAX = float(np.finfo(np.float16).max)


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
    from onnxconverter_common import float16

    casts = {node.name for node in source.nodes if node.op_type == "Cast"}
    blocked = set(kept) | casts
    prepared = _with_weights_apart(source, blocked)
    with warnings.catch_warnings():
        # It warns of values that it cuts; what it did is checked below.
        warnings.simplefilter("ignore", UserWarning)
        try:
            model = float16.convert_float_to_float16(
                prepared,
                min_positive_val=0.0,
                max_finite_val=HALF_MAX,
                keep_io_types=True,
                op_block_list=[],
                node_block_list=sorted(blocked),
                check_fp16_ready=False,
            )
        except (ValueError, KeyError, AttributeError, AssertionError) as error:
            raise ArtifactError(
                f"onnxconverter-common cannot convert the graph to FP16: {error}; keep FP32"
            ) from error
    # Types are inferred anew; the converter's notes on them are partly wrong.
    del model.graph.value_info[:]
    _mend_outputs(model, source)
    _lead_around_half(model)
    replace_nodes(model.graph, in_order(model.graph.node))
    check(model, source, blocked)
    return model


def _with_weights_apart(source: GraphView, blocked: Set[str]) -> onnx.ModelProto:
    """A copy in which no float weight serves both kept and converted nodes."""
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    nodes = {node.name: node for node in model.graph.node}
    for name in source.of_type(source.weights, FLOAT):
        users = source.consumers.get(name, ())
        kept = [node.name for node in users if node.name in blocked]
        if not kept or len(kept) == len(users):
            continue
        copy = model.graph.initializer.add()
        copy.CopyFrom(source.weights[name])
        copy.name = f"{name}_fp32"
        replace_inputs((nodes[one] for one in kept), {name: copy.name})
    return model


def _mend_outputs(model: onnx.ModelProto, source: GraphView) -> None:
    """Give outputs their FP32 type back, from the FP32 value where there is one."""
    producers = {name: node for node in model.graph.node for name in node.output}
    for output in model.graph.output:
        if source.types[output.name] != FLOAT:
            continue
        node = producers[output.name]
        if _casts_to(node) == FLOAT16:
            node.attribute[0].i = FLOAT
        output.type.tensor_type.elem_type = FLOAT


def _lead_around_half(model: onnx.ModelProto) -> None:
    """Let FP32 nodes take FP32 values directly, not through FP16; equal casts become one."""
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    renamed: dict[str, str] = {}
    first: dict[tuple[str, int], str] = {}
    outputs = {value.name for value in graph.output}
    for node in in_order(graph.node):
        target = _casts_to(node)
        if target is None:
            continue
        taken, made = node.input[0], node.output[0]
        before = producers.get(taken)
        if target == FLOAT and before is not None and _casts_to(before) == FLOAT16:
            if made in outputs:
                node.input[0] = before.input[0]
            else:
                renamed[made] = before.input[0]
        elif made not in outputs and first.setdefault((taken, target), made) != made:
            renamed[made] = first[taken, target]
    replace_inputs(graph.node, renamed)
    drop_unused(graph)


def _casts_to(node: onnx.NodeProto) -> int | None:
    """The type that one of the converter's casts makes, None for another node."""
    if node.op_type != "Cast":
        return None
    (target,) = (one.i for one in node.attribute if one.name == "to")
    return int(target) if target in (FLOAT, FLOAT16) else None


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
        if not has_floats or node.op_type in ("Cast", "Shape"):
            continue
        got = nodes[node.name]
        wrong = FLOAT16 if node.name in kept else FLOAT
        if found := result.of_type((*got.input, *got.output), wrong):
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
