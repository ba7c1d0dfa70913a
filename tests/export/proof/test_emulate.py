"""Rounding is shown where onnxruntime hides it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.proof import emulate
from export.proof.emulate import canary, check_rounding, cpu_session, emulation_of
from runtime.errors import EngineError

VALUES = np.array([0.01, 1], np.float32)


def test_onnxruntime_itself_hides_overflow() -> None:
    """Why there is an emulation. If this fails, the installed version rounds by itself."""
    for is_exact in (False, True):
        hidden = cpu_session(canary(), is_exact).run(None, {"x": VALUES})[0]
        np.testing.assert_allclose(hidden, [1, 100], rtol=2e-3)


def test_the_emulation_overflows() -> None:
    check_rounding()
    shown = cpu_session(emulation_of(canary()), is_exact=True).run(None, {"x": VALUES})[0]
    assert shown[0] == pytest.approx(1, rel=2e-3) and np.isinf(shown[1])


def test_an_onnxruntime_that_takes_rounding_away_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(emulate, "emulation_of", lambda half: half)
    check_rounding.cache_clear()
    with pytest.raises(EngineError, match="hides FP16 overflow"):
        check_rounding()
    check_rounding.cache_clear()


def test_each_value_is_what_numpy_computes_in_half() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], name="in", to=TensorProto.FLOAT16),
        helper.make_node("Mul", ["h", "h"], ["m"], name="square"),
        helper.make_node("Add", ["m", "h"], ["a"], name="sum"),
        helper.make_node("Cast", ["a"], ["y"], name="out", to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    values = np.random.default_rng(0).normal(0, 30, 500).astype(np.float32)
    got = cpu_session(emulation_of(model), is_exact=True).run(None, {"x": values})[0]
    half = values.astype(np.float16)
    np.testing.assert_array_equal(got, (half * half + half).astype(np.float32))
