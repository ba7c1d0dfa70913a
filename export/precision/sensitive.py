"""Which nodes stay FP32 from the start, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx

from export.conversion.graph_view import FLOAT, GraphView, float_nodes
from export.precision.ranges import described, gate_name
from export.precision.report import Kept

MARGIN = 8.0
"""Values may come out this much larger on other lines than on those measured. It also covers what
a kernel makes on its way: HardSwish multiplies by 6 before it divides by 6."""
RANGE_LIMIT = float(np.finfo(np.float16).max) / MARGIN
VANISHING_LIMIT = float(np.finfo(np.float16).smallest_normal)
"""A tensor that lies below this as a whole (6.1e-5) loses bits, and below 6e-8 all of them. It
matters because nothing in such a tensor is large: whoever takes it scales it up again. Small
values beside large ones vanish against those anyway, so they do not matter."""

_NORMALIZATIONS = (
    *("BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization"),
    *("LpNormalization", "MeanVarianceNormalization", "Softmax", "LogSoftmax"),
)
_SUMS = (
    *("CumSum", "GlobalAveragePool", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"),
    *("ReduceMean", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
)
_STEEP = ("Exp", "Log", "Pow", "Reciprocal", "Sqrt")
_WITHOUT_HALF = ("NonZero", "OneHot", "Range", "Resize", "TopK", "Upsample")
_RECURRENT = ("LSTM", "GRU", "RNN")
"""TensorRT rounds gates and state at every time step, hundreds of times on a long line, which
rounding a node's outputs does not show."""
_KEPT_OPERATORS = frozenset((*_NORMALIZATIONS, *_SUMS, *_STEEP, *_WITHOUT_HALF, *_RECURRENT))
_PRODUCTS = frozenset(("Conv", "Gemm", "MatMul"))
_ELEMENTWISE = ("Add", "Div", "Mul", "Neg", "Sub")
_MOVES = ("Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def kept_from_the_start(source: GraphView, largest: Mapping[str, float]) -> dict[str, Kept]:
    """Nodes kept FP32 by their operator, their place or their ranges.

    Args:
        source: the FP32 graph.
        largest: measured magnitudes, as `largest_magnitudes` gives them.

    Returns:
        {node name: reason}, in the graph's order.
    """
    kept: dict[str, Kept] = {}
    logits = {node.name for node in _final_product(source)}
    for node in float_nodes(source):
        for reason, detail in _reasons(node, source, largest, logits):
            kept.setdefault(node.name, Kept(node.name, node.op_type, reason, detail))
    for node in reversed(float_nodes(source)):
        if node.name not in kept and _is_between(node, source, kept):
            detail = "its neighbours are FP32"
            kept[node.name] = Kept(node.name, node.op_type, "between", detail)
    return {node.name: kept[node.name] for node in source.nodes if node.name in kept}


def _reasons(
    node: onnx.NodeProto, source: GraphView, largest: Mapping[str, float], logits: set[str]
) -> Iterator[tuple[str, str]]:
    tensors = [*filter(None, (*node.input, *node.output)), gate_name(node)]
    for name in tensors:
        value = largest.get(name)
        if value is None:
            continue
        if value > RANGE_LIMIT:
            yield "range", f"{described(largest, name)}, limit {RANGE_LIMIT:.4g}"
        elif 0 < value < VANISHING_LIMIT:
            yield "vanishing", f"{described(largest, name)}, limit {VANISHING_LIMIT:.4g}"
    if node.op_type in _KEPT_OPERATORS and not _copies(node):
        yield "operator", f"{node.op_type} is always FP32"
    if node.name in logits:
        yield "logits", "the last product, whose differences decide"


def _copies(node: onnx.NodeProto) -> bool:
    """Tell whether a resizing node only repeats values, which FP16 holds as they are."""
    if node.op_type not in ("Resize", "Upsample"):
        return False
    modes = [attribute.s for attribute in node.attribute if attribute.name == "mode"]
    return modes in ([], [b"nearest"])


def _final_product(source: GraphView) -> list[onnx.NodeProto]:
    """The last product before the output and what lies between it and the output."""
    passed: list[onnx.NodeProto] = []
    name = source.model.graph.output[0].name
    while name in source.producers:
        node = source.producers[name]
        passed.append(node)
        if node.op_type in _PRODUCTS:
            return passed
        made = [name for name in node.input if name in source.producers]
        if not made:
            return passed
        name = made[0]
    return passed


def _is_between(node: onnx.NodeProto, source: GraphView, kept: Mapping[str, Kept]) -> bool:
    """Whether a cheap node has FP32 nodes on both sides, so that FP16 would only add casts."""
    if node.op_type not in (*_ELEMENTWISE, *_MOVES):
        return False
    producers = [
        source.producers.get(name)
        for name in source.of_type(node.input, FLOAT)
        if name not in source.weights
    ]
    consumers = [user for name in node.output for user in source.consumers.get(name, ())]
    outputs = {value.name for value in source.model.graph.output}
    before = all(producer is not None and producer.name in kept for producer in producers) and bool(
        producers
    )
    after = all(consumer.name in kept for consumer in consumers) and (
        bool(consumers) or bool(outputs.intersection(node.output))
    )
    return before and after
