"""Weights of an ONNX graph are found whatever reshapes them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.reversal import graph_operations
from export.reversal.graph_operations import operations_of
from export.reversal.operations import layers_of
from runtime.errors import ArtifactError


def _model(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], size: int = 4
) -> onnx.ModelProto:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size]) for name in ("x", "y")
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    return helper.make_model(helper.make_graph(nodes, "graph", ends[:1], ends[1:], tensors))


def test_a_turned_kernel_and_a_reshaped_bias_are_a_linear_layer() -> None:
    kernel = np.arange(12, dtype=np.float32).reshape(3, 4)
    model = _model(
        [
            helper.make_node("Identity", ["kernel"], ["same"]),
            helper.make_node("Transpose", ["same"], ["turned"], perm=[1, 0]),
            helper.make_node("MatMul", ["x", "turned"], ["product"]),
            helper.make_node("Reshape", ["bias", "shape"], ["row"]),
            helper.make_node("Add", ["row", "product"], ["y"]),
        ],
        {
            "kernel": kernel,
            "bias": np.ones((3, 1), np.float32),
            "shape": np.array([1, 3], np.int64),
        },
    )
    (layer,) = layers_of(operations_of(model))
    assert layer.kind == "product"
    assert np.array_equal(layer.weights["kernel"].array, kernel.T)
    assert layer.weights["bias"].array.size == 3


def test_gemm_is_one_too() -> None:
    weights = {"kernel": np.ones((3, 4), np.float32), "bias": np.ones(3, np.float32)}
    node = helper.make_node("Gemm", ["x", "kernel", "bias"], ["y"], transB=1)
    (layer,) = layers_of(operations_of(_model([node], weights)))
    assert layer.weights["kernel"].array.shape == (4, 3)
    node = helper.make_node("Gemm", ["x", "kernel", "bias"], ["y"], transB=1, alpha=0.5)
    with pytest.raises(ArtifactError, match="factors"):
        operations_of(_model([node], weights))


def test_constants_that_are_no_weights_are_left_out() -> None:
    model = _model(
        [
            helper.make_node("Mul", ["x", "half"], ["a"]),
            helper.make_node("Div", ["a", "many"], ["y"]),
        ],
        {"half": np.array(0.5, np.float32), "many": np.ones(4, np.float32)},
    )
    assert layers_of(operations_of(model)) == []


def test_control_flow_and_endless_graphs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = _model([helper.make_node("Neg", ["x"], ["y"])], {}).graph
    model = _model([helper.make_node("If", ["x"], ["y"], then_branch=inner)], {})
    with pytest.raises(ArtifactError, match="control flow"):
        operations_of(model)
    monkeypatch.setattr(graph_operations, "MOST_NODES", 1)
    model = _model(
        [helper.make_node("Neg", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["y"])], {}
    )
    with pytest.raises(ArtifactError, match="2 nodes: expected 1 at most"):
        operations_of(model)


def test_an_identity_of_itself_does_not_go_round_for_ever() -> None:
    model = _model(
        [
            helper.make_node("Identity", ["b"], ["a"]),
            helper.make_node("Identity", ["a"], ["b"]),
            helper.make_node("Add", ["x", "a"], ["y"]),
        ],
        {},
    )
    assert layers_of(operations_of(model)) == []


def test_weights_of_an_operator_that_an_optimiser_joined_are_refused() -> None:
    kernel = {"kernel": np.ones((4, 4), np.float32)}
    node = helper.make_node("FusedMatMul", ["x", "kernel"], ["y"], domain="com.microsoft")
    with pytest.raises(ArtifactError, match=r"FusedMatMul .*of 'com.microsoft': expected ONNX's"):
        operations_of(_model([node], kernel))
