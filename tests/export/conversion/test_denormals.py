"""Denormal weights are set to 0 where that changes nothing, and nowhere else."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.conversion.denormals import set_denormals_to_zero
from export.conversion.model_file import read_model
from export.proof.emulate import cpu_session

TINY = float(np.finfo(np.float32).tiny)
VALUES = np.array([[TINY / 2, -TINY / 4, TINY, -TINY], [0.0, 1.0, 1e-30, 1e-45]], np.float32)


def model_of(nodes: list[onnx.NodeProto], dtype: type = np.float32) -> onnx.ModelProto:
    weight = numpy_helper.from_array(VALUES.astype(dtype), "w")
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, ["N", 2])],
        [helper.make_tensor_value_info("y", kind, None)],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def weight_of(model: onnx.ModelProto) -> np.ndarray:
    return numpy_helper.to_array(model.graph.initializer[0])


def test_they_are_counted_set_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "export")
    model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])])
    before = cpu_session(model).run(None, {"x": np.array([[1e6, 3]], np.float32)})[0]
    assert set_denormals_to_zero(model) == 3
    expected = VALUES.copy()
    expected[0, :2] = expected[1, 3] = 0
    np.testing.assert_array_equal(weight_of(model), expected)
    assert "3 of 8 weights are denormal" in caplog.text
    after = cpu_session(model).run(None, {"x": np.array([[1e6, 3]], np.float32)})[0]
    np.testing.assert_allclose(before, after, atol=1e-30)
    assert set_denormals_to_zero(model) == 0


def test_divisors_and_what_is_compared_stay() -> None:
    for operator in ("Div", "Pow", "Less"):
        model = model_of([helper.make_node(operator, ["x", "w"], ["y"])])
        assert set_denormals_to_zero(model) == 0
        np.testing.assert_array_equal(weight_of(model), VALUES)
    passed_on = [
        helper.make_node("Identity", ["w"], ["v"]),
        helper.make_node("MatMul", ["x", "v"], ["z"]),
    ]
    assert set_denormals_to_zero(model_of([*passed_on, helper.make_node("Neg", ["z"], ["y"])])) == 3
    divided = [*passed_on, helper.make_node("Div", ["z", "v"], ["y"])]
    assert set_denormals_to_zero(model_of(divided)) == 0


def test_constants_inside_nodes_count_and_fp16_does_not() -> None:
    held = numpy_helper.from_array(VALUES, "held")
    nodes = [
        helper.make_node("Constant", [], ["c"], value=held),
        helper.make_node("MatMul", ["x", "c"], ["y"]),
    ]
    model = model_of(nodes)
    del model.graph.initializer[:]
    assert set_denormals_to_zero(model) == 3
    half = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], np.float16)
    assert set_denormals_to_zero(half) == 0


def test_a_recogniser_with_some_reads_the_same_and_is_read_without(
    small_student: Path, tmp_path: Path
) -> None:
    model = onnx.load(small_student)
    weight = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    values = numpy_helper.to_array(weight).copy()
    values.reshape(-1)[::3] = TINY / 3
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    path = tmp_path / "denormal.onnx"
    onnx.save(model, path)
    source = read_model(path)
    count = -(-values.size // 3)
    kept = {weight.name: numpy_helper.to_array(weight) for weight in source.model.graph.initializer}
    assert np.count_nonzero(kept[weight.name].reshape(-1)[::3]) == 0 and count > 1000
    line = np.random.default_rng(0).uniform(-1, 1, (1, 3, 32, 160)).astype(np.float32)
    outputs = [
        cpu_session(form).run([source.spec.output_name], {source.spec.input_name: line})[0]
        for form in (model, source.model)
    ]
    np.testing.assert_allclose(*outputs, atol=1e-7)
