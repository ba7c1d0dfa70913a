"""A graph made ready for onnxruntime's quantiser, and the nodes of it that are worth quantising."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.conversion.denormals import set_denormals_to_zero
from export.conversion.graph_view import named_copy
from export.proof.emulate import cpu_session
from runtime.errors import ArtifactError

LEAST_OPSET = 13
"""The first in which a weight may have a scale for each channel."""
_OPSET = 17
OPERATORS = ("Conv", "MatMul", "Gemm")
LEAST_SHARE = 0.004
"""Of the network's multiply-adds; below it, converting to 8 bit costs more than it saves."""


def ready_for_quantization(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold, fuse and name, without changing what is computed.

    GELU becomes one node here, since its parts are no longer recognised between 8-bit neighbours,
    and run one by one then.

    Args:
        model: FP32, no control flow.

    Raises:
        ArtifactError: if onnxruntime or the ONNX package cannot work on the graph.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process
    from onnxruntime.transformers.fusion_gelu import FusionGelu
    from onnxruntime.transformers.onnx_model import OnnxModel

    model = named_copy(model)
    try:
        if _opset_of(model) < LEAST_OPSET:
            model = onnx.version_converter.convert_version(model, _OPSET)
        with tempfile.TemporaryDirectory() as scratch:
            named, folded = Path(scratch) / "named.onnx", Path(scratch) / "folded.onnx"
            onnx.save(model, named)
            quant_pre_process(str(named), str(folded), skip_symbolic_shape=True)
            graph = OnnxModel(onnx.load(folded))
    except Exception as error:  # neither package has a base class for its errors
        reason = " ".join(str(error).split())[:300]
        raise ArtifactError(
            f"the model cannot be made ready for 8 bit: {reason}; export it again, with opset "
            f"{LEAST_OPSET} or later"
        ) from error
    with errors_only():
        FusionGelu(graph).apply()
        graph.prune_graph()
        graph.topological_sort()
    set_denormals_to_zero(graph.model)  # folding multiplies small weights by small ones
    return named_copy(graph.model)


def worth_quantizing(
    model: onnx.ModelProto, input_name: str, batch: NDArray[np.float32]
) -> dict[str, float]:
    """Choose nodes with enough arithmetic: dense convolutions, products with constant weights.

    Depthwise convolutions have little arithmetic for what they move, and lose much by 8 bit; what
    squeezes an image to one pixel, and small products, do not repay the conversion.

    Args:
        model: ready for quantisation.
        input_name: where the batch goes.
        batch: float32 [N, C, H, W], to tell the shapes inside.

    Returns:
        {node: its share of the multiply-adds}, in the graph's order.
    """
    weights = {weight.name: weight for weight in model.graph.initializer}
    nodes = [node for node in model.graph.node if _is_dense(node, weights)]
    total = _multiply_adds(model, nodes, weights, input_name, batch)
    shares = {node.name: total[node.name] / sum(total.values()) for node in nodes}
    return {name: share for name, share in shares.items() if share >= LEAST_SHARE}


def _opset_of(model: onnx.ModelProto) -> int:
    return int(next((opset.version for opset in model.opset_import if not opset.domain), 1))


def _is_dense(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> bool:
    if node.op_type not in OPERATORS or node.input[1] not in weights:
        return False
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1) == 1


def _multiply_adds(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, onnx.TensorProto],
    input_name: str,
    batch: NDArray[np.float32],
) -> dict[str, int]:
    """Count the multiply-adds of each node for one batch."""
    exposed = deepcopy(model)
    names = [node.output[0] for node in nodes]
    own = {output.name for output in exposed.graph.output}
    exposed.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in names
        if name not in own
    )
    outputs = cpu_session(exposed).run(names, {input_name: batch})
    counted = {}
    for node, output in zip(nodes, outputs, strict=True):
        weight = numpy_helper.to_array(weights[node.input[1]]).shape
        per_value = math.prod(weight[1:]) if node.op_type == "Conv" else math.prod(weight)
        if node.op_type != "Conv":
            per_value //= output.shape[-1]
        counted[node.name] = int(output.size) * per_value
    return counted


@contextmanager
def errors_only() -> Iterator[None]:
    """Log nothing less than errors within the block, whoever logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
