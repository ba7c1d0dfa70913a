"""Means of maps taken row by row are the same means, and round less."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.reversal.means import rows_first

POOL = helper.make_node("GlobalAveragePool", ["x"], ["y"])


def _model(node: onnx.NodeProto, version: int, axes: list[int] | None = None) -> onnx.ModelProto:
    graph = helper.make_graph(
        [node],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [] if axes is None else [numpy_helper.from_array(np.array(axes, np.int64), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)


@pytest.mark.parametrize(
    "model",
    [
        _model(POOL, 11),
        _model(POOL, 18),
        _model(helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=1), 11),
        _model(helper.make_node("ReduceMean", ["x", "axes"], ["y"]), 18, [-2, -1]),
    ],
    ids=["pool-11", "pool-18", "mean-11", "mean-18"],
)
def test_the_mean_is_the_same(model: onnx.ModelProto) -> None:
    values = np.random.default_rng(0).uniform(1, 2, (1, 2, 40, 24)).astype(np.float32)
    changed = rows_first(model)
    assert [node.op_type for node in changed.graph.node] == ["ReduceMean"] * 2
    assert len(model.graph.node) == 1
    session = onnxruntime.InferenceSession(
        changed.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (got,) = session.run(None, {"x": values})
    assert got.shape == (1, 2, 1, 1)
    assert np.allclose(got, values.mean(axis=(2, 3), keepdims=True, dtype=np.float64), rtol=3e-7)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1),
        helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["x"], ["y"]),
        helper.make_node("Relu", ["x"], ["y"]),
    ],
    ids=["channels", "without-axes-kept", "of-all", "no-mean"],
)
def test_what_is_no_mean_of_maps_stays(node: onnx.NodeProto) -> None:
    model = _model(node, 11)
    assert rows_first(model) == model
