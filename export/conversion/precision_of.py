"""Which precision a graph computes in."""

from __future__ import annotations

import onnx

from runtime.errors import ArtifactError


def has_half(model: onnx.ModelProto) -> bool:
    """Whether any of a graph is FP16: a weight, or what a cast makes."""
    half = onnx.TensorProto.FLOAT16
    casts = (node for node in model.graph.node if node.op_type == "Cast")
    targets = (one.i for node in casts for one in node.attribute if one.name == "to")
    return half in targets or half in (one.data_type for one in model.graph.initializer)


def has_eight_bit(model: onnx.ModelProto) -> bool:
    """Whether any node of a graph converts to or from 8 bit, or computes in it."""
    operators = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv")
    return any(node.op_type in operators for node in model.graph.node)


def refuse_eight_bit(model: onnx.ModelProto) -> None:
    """Stop before an 8-bit form, which is made for CPUs, is taken for a network to convert.

    Raises:
        ArtifactError: if the model is one.
    """
    if has_eight_bit(model):
        raise ArtifactError(
            "the model is 8-bit, a form for CPUs: expected an FP32 or FP16 network; give the one "
            "it was made from"
        )
