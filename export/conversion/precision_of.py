"""Which precision a graph computes in."""

from __future__ import annotations

import onnx

from runtime.errors import ArtifactError


def has_half(model: onnx.ModelProto) -> bool:
    """Tell whether any of a graph is FP16: a weight, or the output of a cast."""
    half = onnx.TensorProto.FLOAT16
    casts = (node for node in model.graph.node if node.op_type == "Cast")
    targets = (
        attribute.i for node in casts for attribute in node.attribute if attribute.name == "to"
    )
    return half in targets or half in (weight.data_type for weight in model.graph.initializer)


def has_eight_bit(model: onnx.ModelProto) -> bool:
    """Tell whether any node of a graph converts to or from 8 bit, or computes in it."""
    operators = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv")
    return any(node.op_type in operators for node in model.graph.node)


def refuse_eight_bit(model: onnx.ModelProto) -> None:
    """Refuse an 8-bit form, which is made for CPUs, as a network to convert.

    Raises:
        ArtifactError: if the model is one.
    """
    if has_eight_bit(model):
        raise ArtifactError(
            "the model is 8-bit, a form for CPUs: expected an FP32 or FP16 network; give the one "
            "it was made from"
        )
