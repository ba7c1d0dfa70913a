"""FP16 weights are told from the bytes of an ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from runtime.sessions.onnx_weights import weights_of


def written(path: Path, *kinds: type[np.generic]) -> Path:
    weights = [numpy_helper.from_array(np.ones(300, kind), kind.__name__) for kind in kinds]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["N"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["N"])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [value], [out], weights)
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), False),
        ((np.float32, np.int64), False),
        ((np.float16,), True),
        ((np.float32, np.int64, np.float16), True),
    ],
)
def test_weights_tell(tmp_path: Path, kinds: tuple[type[np.generic], ...], expected: bool) -> None:
    assert weights_of(written(tmp_path / "m.onnx", *kinds)).has_half is expected


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 40, b"\xff" * 50])
def test_what_is_no_model_has_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert not weights_of(path).has_half
    assert not weights_of(tmp_path / "missing.onnx").has_half


def test_a_cut_model_is_no_error(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", np.float32, np.float16)
    data = path.read_bytes()
    for length in range(0, len(data), 37):
        path.write_bytes(data[:length])
        assert weights_of(path).has_half in (False, True)
