"""The converter's result is what was asked for, or refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.conversion.graph_view import FLOAT, FLOAT16, GraphView, named_copy, view
from export.precision.half import half_from_float
from export.proof.emulate import cpu_session, emulated_session
from runtime.errors import ArtifactError

Nodes = list[tuple[str, list[str], str]]


def graph_of(
    nodes: Nodes, weights: dict[str, np.ndarray], output: str = "y", is_named: bool = True
) -> GraphView:
    made = [
        helper.make_node(kind, inputs, [out], name=f"{kind}_{out}" if is_named else "")
        for kind, inputs, out in nodes
    ]
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["N", 4])],
        [helper.make_tensor_value_info(output, FLOAT, ["N", 4])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return view(named_copy(model))


def test_a_kept_region_is_not_led_through_half() -> None:
    """A large value with two kept consumers: the converter alone would hand on infinity."""
    weights = {"k": np.full(4, 1e5, np.float32), "r": np.full(4, 1e-5, np.float32)}
    source = graph_of(
        [
            ("Mul", ["x", "k"], "a"),
            ("Mul", ["a", "r"], "b"),
            ("Mul", ["a", "r"], "c"),
            ("Add", ["b", "c"], "y"),
        ],
        weights,
    )
    half = half_from_float(source, {"Mul_a", "Mul_b", "Mul_c"})
    values = np.array([[1, 2, 3, 4]], np.float32)
    got = emulated_session(half).run(None, {"x": values})[0]
    np.testing.assert_allclose(got, 2 * values, rtol=2e-3)
    careless = emulated_session(half_from_float(source, {"Mul_a", "Mul_b"}))
    assert np.isinf(careless.run(None, {"x": values})[0]).all()


def test_a_weight_of_both_kinds_of_node_is_copied() -> None:
    weights = {"k": np.array([0.1, 0.2, 0.3, 0.4], np.float32)}
    source = graph_of([("Mul", ["x", "k"], "a"), ("Add", ["a", "k"], "y")], weights)
    result = view(half_from_float(source, {"Mul_a"}))
    kinds = {name: tensor.data_type for name, tensor in result.weights.items()}
    assert kinds == {"k": FLOAT16, "k_fp32": FLOAT}


@pytest.mark.parametrize("kept", [set(), {"Mul_y"}, {"Mul_a"}, {"Mul_a", "Mul_y"}])
def test_inputs_and_outputs_stay_float(kept: set[str]) -> None:
    weights = {"k": np.full(4, 3, np.float32)}
    source = graph_of([("Mul", ["x", "k"], "a"), ("Mul", ["a", "k"], "y")], weights)
    half = half_from_float(source, kept)
    kinds = [one.type.tensor_type.elem_type for one in (*half.graph.input, *half.graph.output)]
    assert kinds == [FLOAT, FLOAT]
    got = cpu_session(half).run(None, {"x": np.ones((2, 4), np.float32)})[0]
    np.testing.assert_array_equal(got, np.full((2, 4), 9, np.float32))


def test_small_weights_are_rounded_not_raised() -> None:
    small = np.array([1e-9, -1e-9, 3e-7, 2.0], np.float32)
    source = graph_of([("Mul", ["x", "k"], "y")], {"k": small})
    values = view(half_from_float(source, set())).values_of("k")
    np.testing.assert_array_equal(values, small.astype(np.float16))
    assert values[0] == 0


def test_a_weight_beyond_the_format_is_refused() -> None:
    weights = {"k": np.array([1, 1, 1, 1e5], np.float32)}
    source = graph_of([("Mul", ["x", "k"], "y")], weights)
    with pytest.raises(ArtifactError, match=r"weight k is not its rounded original.*100000"):
        half_from_float(source, set())


def test_nodes_without_names_get_them() -> None:
    source = graph_of([("Neg", ["x"], "a"), ("Neg", ["a"], "y")], {}, is_named=False)
    names = [node.name for node in source.nodes]
    assert len(set(names)) == 2 and all(names)
    half_from_float(source, {names[0]})


def test_control_flow_is_refused(make_branching: Callable[[], onnx.ModelProto]) -> None:
    with pytest.raises(ArtifactError, match=r"control flow.*If 'choice'"):
        named_copy(make_branching())


@pytest.fixture
def make_branching() -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        result = helper.make_tensor_value_info("z", FLOAT, [1])
        branch = helper.make_graph([helper.make_node("Neg", ["x"], ["z"])], "branch", [], [result])
        node = helper.make_node(
            "If", ["c"], ["y"], name="choice", then_branch=branch, else_branch=branch
        )
        graph = helper.make_graph(
            [node],
            "g",
            [
                helper.make_tensor_value_info("x", FLOAT, [1]),
                helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            ],
            [helper.make_tensor_value_info("y", FLOAT, [1])],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])

    return make


def test_what_images_are_enlarged_by_stays_fp32() -> None:
    """A detector's pyramid: the same factors for a node in FP16 and one in FP32."""
    factors = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "factors")
    nodes = [
        helper.make_node("Resize", [taken, "", "factors"], [made], made, mode="nearest")
        for taken, made in (("x", "first"), ("first", "y"))
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["N", 1, "H", "W"])],
        [helper.make_tensor_value_info("y", FLOAT, ["N", 1, "H", "W"])],
        [factors],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    source = view(named_copy(model))
    page = np.random.default_rng(0).random((1, 1, 2, 3), np.float32)
    for kept in (set(), {"y"}):
        half = half_from_float(source, kept)
        assert FLOAT16 not in {weight.data_type for weight in half.graph.initializer}
        got = emulated_session(half).run(None, {"x": page})[0]
        np.testing.assert_array_equal(got, page.astype(np.float16).repeat(4, 2).repeat(4, 3))
