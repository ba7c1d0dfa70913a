"""Wraps a detector for an engine: 8-bit pages in, the probability of text of every pixel out.

The bytes of a page reach the GPU as they are, a quarter of their size in FP32, and the device
normalises them.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from export.conversion.graph import describe
from export.conversion.wrapping import NodeMaker, check_ends, check_valid, dimension_of
from runtime.detection.session import PIXELS, PROBABILITIES
from runtime.detection.spec import CHANNELS, DetectorSpec

_TYPES = onnx.TensorProto


def engine_graph(model: onnx.ModelProto, spec: DetectorSpec) -> onnx.ModelProto:
    """Put normalisation before a detector, in FP32.

    Args:
        model: input `spec.input_name` float32 [N, C, H, W], output `spec.output_name` float32
            [N, 1, H, W]; FP16 inside where it likes.
        spec: of the detector.

    Returns:
        A model with the input `pixels` uint8 [N, H, W, C], in the spec's order of colours, and the
        output `probabilities` float32 [N, 1, H, W].

    Raises:
        ArtifactError: if the model has other inputs or outputs, or is not valid ONNX.
    """
    wrapped = onnx.ModelProto()
    wrapped.CopyFrom(model)
    graph = wrapped.graph
    check_ends(graph, spec, (PIXELS, PROBABILITIES))
    batch, height, width = (dimension_of(graph.input[0], axis) for axis in (0, 2, 3))
    before, after = _before(spec), NodeMaker("after")
    if spec.output_name != PROBABILITIES:
        after.node("Identity", [spec.output_name], output=PROBABILITIES)
    wrapped.graph.CopyFrom(
        helper.make_graph(
            [*before.nodes, *graph.node, *after.nodes],
            "detector_engine",
            [helper.make_tensor_value_info(PIXELS, _TYPES.UINT8, [batch, height, width, CHANNELS])],
            [helper.make_tensor_value_info(PROBABILITIES, _TYPES.FLOAT, [batch, 1, height, width])],
            [*graph.initializer, *before.constants],
        )
    )
    describe(wrapped, spec)
    check_valid(wrapped)
    return wrapped


def _before(spec: DetectorSpec) -> NodeMaker:
    """`(pixels * scale - mean) / std` in that order, as `normalize_image` rounds it; then channels
    first.
    """
    make = NodeMaker("before")
    levels = make.node("Cast", [PIXELS], to=_TYPES.FLOAT)
    scale, mean, std = (
        make.constant(np.asarray(value, np.float32), name)
        for name, value in (("scale", spec.scale), ("mean", spec.mean), ("std", spec.std))
    )
    shifted = make.node("Sub", [make.node("Mul", [levels, scale]), mean])
    normalized = make.node("Div", [shifted, std])
    make.node("Transpose", [normalized], output=spec.input_name, perm=[0, 3, 1, 2])
    return make
