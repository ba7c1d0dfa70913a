"""Weights too small for what CPUs are fast at: denormal numbers of FP32, set to 0.

A CPU multiplies by a number below 1.2e-38 in microcode, a hundred times slower than by another.
Training under weight decay leaves many in layers whose channels died: of RapidOCR's PP-OCRv6
detector a tenth, and its time on a CPU falls to a third without them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import numpy_helper

log = logging.getLogger("export")

_TINY = np.finfo(np.float32).tiny
_FLOAT = onnx.TensorProto.FLOAT
_LINEAR = (
    *("Add", "BatchNormalization", "Conv", "ConvTranspose", "Gemm", "GRU", "InstanceNormalization"),
    *("LayerNormalization", "LSTM", "MatMul", "Mul", "RNN", "Sub", "Sum"),
)
"""Operators that multiply by their weights or add them, so that one of 1e-38 or 0 is the same."""
_PASSING = ("Cast", "Concat", "Expand", "Flatten", "Identity", "Reshape", "Slice", "Split",
            "Squeeze", "Tile", "Transpose", "Unsqueeze")  # fmt: skip


def set_denormals_to_zero(model: onnx.ModelProto) -> int:
    """Set the denormal weights of a network to 0, in place, and log how many there were.

    Only weights that nodes multiply by or add are touched, never a divisor.

    Args:
        model: weights in FP32 count; in FP16 small numbers are not slow.

    Returns:
        how many values were set.
    """
    consumers = _consumers(model.graph)
    outputs = {value.name for value in model.graph.output}
    count = total = 0
    for name, tensor in _weights(model.graph):
        if tensor.data_type != _FLOAT or name in outputs:
            continue
        values = numpy_helper.to_array(tensor)
        total += values.size
        is_denormal = (np.abs(values) < _TINY) & (values != 0)
        if not is_denormal.any() or not _is_linear(name, consumers):
            continue
        count += int(np.count_nonzero(is_denormal))
        kept = np.where(is_denormal, np.float32(0), values)
        tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))
    if count:
        log.info(
            "%s of %s weights are denormal, which CPUs multiply by slowly: set to 0",
            *(f"{count:,}", f"{total:,}"),
        )
    return count


def _weights(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Yield every constant of a graph with the name by which nodes take it."""
    for weight in graph.initializer:
        yield weight.name, weight
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield node.output[0], attribute.t


def _consumers(graph: onnx.GraphProto) -> Mapping[str, list[onnx.NodeProto]]:
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in filter(None, node.input):
            found.setdefault(name, []).append(node)
    return found


def _is_linear(name: str, consumers: Mapping[str, list[onnx.NodeProto]]) -> bool:
    """Tell whether a weight, or what is passed on of it, is multiplied by or added alone."""
    names = [name]
    for taken in names:  # grows as it is walked along
        for node in consumers.get(taken, ()):
            if node.op_type in _PASSING:
                names += [made for made in node.output if made not in names]
            elif node.op_type not in _LINEAR:
                return False
    return True
