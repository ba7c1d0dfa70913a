"""Weights that only cost time are 0 before a network runs, and all others stay to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from runtime.engines.denormals import without_denormals
from runtime.engines.onnxruntime import OnnxRuntimeEngine

TINY = np.float32(1e-39)
WEIGHTS = np.array([1, -TINY, 0.0, 2**-126, TINY, -3, np.inf], dtype=np.float32)
MENDED = np.array([1, 0, 0.0, 2**-126, 0, -3, np.inf], dtype=np.float32)


def write_model(path: Path, weights: np.ndarray, is_raw: bool = True) -> Path:
    tensor = numpy_helper.from_array(weights, "weights")
    if not is_raw:
        tensor = helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.tolist())
    constant = helper.make_node("Constant", [], ["constant"], value=tensor)
    graph = helper.make_graph(
        [
            constant,
            helper.make_node("Mul", ["x", "weights"], ["product"]),
            helper.make_node("Add", ["product", "constant"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [len(weights)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [len(weights)])],
        [tensor],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.mark.parametrize("is_raw", [True, False])
def test_only_denormal_weights_change(tmp_path: Path, is_raw: bool) -> None:
    path = write_model(tmp_path / "m.onnx", WEIGHTS, is_raw)
    mended = without_denormals(path)
    assert mended is not None
    model = onnx.load_from_string(mended)
    for tensor in (*model.graph.initializer, model.graph.node[0].attribute[0].t):
        assert numpy_helper.to_array(tensor).tobytes() == MENDED.tobytes()
    before = onnx.load(path)
    for tensors in (before.graph.initializer, model.graph.initializer):
        del tensors[:]
    for found in (before, model):
        found.graph.node[0].ClearField("attribute")
    assert before == model, "nothing else has changed"


def test_a_model_without_them_is_left_alone(tmp_path: Path) -> None:
    assert without_denormals(write_model(tmp_path / "m.onnx", MENDED)) is None
    integers = numpy_helper.from_array(np.array([1, 5], dtype=np.int32), "weights")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.initializer[0].CopyFrom(integers)
    onnx.save(model, tmp_path / "i.onnx")
    assert without_denormals(tmp_path / "i.onnx") is None


@pytest.mark.parametrize("content", [b"", b"no model", b"\xff" * 50, b"\x3a\xff\xff\xff\x7f"])
def test_what_is_no_model_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert without_denormals(path) is None
    assert without_denormals(tmp_path / "none.onnx") is None


def test_an_engine_runs_without_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("onnxruntime", reason="the network runs in it")
    path = write_model(tmp_path / "m.onnx", np.array([TINY, 2], dtype=np.float32))
    with caplog.at_level("INFO"):
        engine = OnnxRuntimeEngine(path, "cpu", threads=1)
    found = engine.run({"x": np.array([2**100, 1], dtype=np.float32)})["y"]
    assert found.tolist() == [0.0, 4.0]
    assert "of its weights are denormal numbers" in caplog.text
