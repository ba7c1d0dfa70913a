"""Wraps a recogniser for an engine: 8-bit lines in, best classes and their probabilities out.

The bytes of a line reach the GPU as they are, a quarter of their size in FP32; the device
normalises and pads them, and [N, T] leaves it instead of [N, T, K].
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from export.conversion.graph import describe
from export.conversion.wrapping import NodeMaker, check_ends, check_valid, copy_of, dimension_of
from runtime.recognition.session import (
    BEST_PATH,
    CLASSES,
    CONFIDENCES,
    CONTENT_WIDTHS,
    LINE_INPUTS,
    PIXELS,
)
from runtime.recognition.spec import RecognizerSpec

_TYPES = onnx.TensorProto


def engine_graph(model: onnx.ModelProto, spec: RecognizerSpec) -> onnx.ModelProto:
    """Put normalisation before a recogniser and the CTC reduction after it, both in FP32.

    Args:
        model: input `spec.input_name` float32 [N, C, H, W], output `spec.output_name` float32
            [N, T, K]; FP16 inside where it likes.
        spec: of the recogniser.

    Returns:
        A model with inputs `pixels` uint8 [N, H, W, C], as `prepare_line` gives lines, anything
        to the right of them, and `content_widths` int32 [N], in px; outputs `classes` int32
        [N, T] and `confidences` float32 [N, T].

    Raises:
        ArtifactError: if the model has other inputs or outputs, or is not valid ONNX.
    """
    wrapped = copy_of(model)
    graph = wrapped.graph
    check_ends(graph, spec, (*LINE_INPUTS, *BEST_PATH))
    batch, width = (dimension_of(graph.input[0], axis) for axis in (0, 3))
    steps = dimension_of(graph.output[0], 1)
    before, constants = _before(spec)
    after, more_constants = _after(spec)
    nodes = [*before, *graph.node, *after]
    wrapped.graph.CopyFrom(
        helper.make_graph(
            nodes,
            "recognizer_engine",
            [
                helper.make_tensor_value_info(
                    PIXELS, _TYPES.UINT8, [batch, spec.height, width, spec.channels]
                ),
                helper.make_tensor_value_info(CONTENT_WIDTHS, _TYPES.INT32, [batch]),
            ],
            [
                helper.make_tensor_value_info(CLASSES, _TYPES.INT32, [batch, steps]),
                helper.make_tensor_value_info(CONFIDENCES, _TYPES.FLOAT, [batch, steps]),
            ],
            [*graph.initializer, *constants, *more_constants],
        )
    )
    describe(wrapped, spec)
    check_valid(wrapped)
    return wrapped


def _before(spec: RecognizerSpec) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """`(pixels / 255 - mean) / std` in that order, as `_normalized_levels` rounds it; then 0.0
    right of the content; then channels first.
    """
    make = NodeMaker("before")
    pixels = make.node("Cast", [PIXELS], to=_TYPES.FLOAT)
    levels = make.node("Div", [pixels, make.constant(np.float32(255), "levels")])
    shifted = make.node("Sub", [levels, make.constant(np.float32(spec.mean), "mean")])
    normalized = make.node("Div", [shifted, make.constant(np.float32(spec.std), "std")])
    shape = make.node("Shape", [pixels])  # TensorRT wants 8-bit inputs cast before other uses
    width = make.node("Gather", [shape, make.constant(np.int64(2), "axis")], axis=0)
    width_px = make.node("Cast", [width], to=_TYPES.INT32)
    zero, one = make.constant(np.int32(0), "first"), make.constant(np.int32(1), "step")
    columns = make.node("Range", [zero, width_px, one])
    column_axes = make.constant(np.array([0, 1, 3], np.int64), "column_axes")
    line_axes = make.constant(np.array([1, 2, 3], np.int64), "line_axes")
    is_content = make.node(
        "Less",
        [
            make.node("Unsqueeze", [columns, column_axes]),
            make.node("Unsqueeze", [CONTENT_WIDTHS, line_axes]),
        ],
    )
    padding = make.constant(np.float32(0), "padding")
    padded = make.node("Where", [is_content, normalized, padding])
    make.node("Transpose", [padded], output=spec.input_name, perm=[0, 3, 1, 2])
    return make.nodes, make.constants


def _after(spec: RecognizerSpec) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    make = NodeMaker("after")
    scores = spec.output_name
    if spec.output_activation == "none":
        # TopK of the logits and 1 / sum(exp(x - max)) say the same, and take onnxruntime more than
        # twice as long for 18,710 classes; ReduceLogSumExp is off by up to 1e-4 there.
        scores = make.node("Softmax", [scores], axis=-1)
    axes = make.constant(np.array([2], np.int64), "axes")
    best = make.constant(np.array([1], np.int64), "best")
    make.nodes.append(
        helper.make_node(
            "TopK",
            [scores, best],
            [f"{make.place}/largest", f"{make.place}/index"],
            name=f"{make.place}/TopK",
            axis=-1,
            largest=1,
        )
    )
    make.node("Squeeze", [f"{make.place}/largest", axes], output=CONFIDENCES)
    index = make.node("Squeeze", [f"{make.place}/index", axes])
    make.node("Cast", [index], output=CLASSES, to=_TYPES.INT32)
    return make.nodes, make.constants
