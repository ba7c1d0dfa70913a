"""Every engine is named, those that are not here with the reason."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.latency.backends import TITLES, _name_of, find_backends
from runtime.errors import OcrError

onnxruntime = pytest.importorskip("onnxruntime", reason="it is asked for its providers")


def test_every_engine_has_a_file_or_a_reason(toy_onnx: Path) -> None:
    found = {backend.name: backend for backend in find_backends(toy_onnx, None, [])}
    assert list(found) == list(TITLES)
    assert (found["cpu-fp32"].model, found["cpu-fp32"].reason) == (toy_onnx, None)
    assert "export precision" in str(found["cpu-fp16"].reason)
    for name in ("tensorrt-fp32", "tensorrt-fp16", "rtx-fp32", "rtx-fp16"):
        assert found[name].reason


def test_a_runtime_without_cuda_is_said(toy_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    found = {backend.name: backend for backend in find_backends(toy_onnx, toy_onnx, [])}
    assert found["cuda-fp32"].reason == ("this onnxruntime has no CUDA, only CPUExecutionProvider")


def test_a_plan_is_known_by_its_sidecar(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    library = "runtime.engines.tensorrt.library"
    monkeypatch.setattr(f"{library}.require_driver", lambda: None)
    found = {backend.name: backend for backend in find_backends(machine.plan, None, [machine.plan])}
    assert (found["tensorrt-fp32"].model, found["tensorrt-fp32"].reason) == (machine.plan, None)
    assert "export build" in str(found["tensorrt-fp16"].reason)
    with pytest.raises(OcrError, match="two plans of one kind"):
        find_backends(machine.plan, None, [machine.plan, machine.plan])


def test_a_mixed_plan_is_no_fp32_one() -> None:
    """The usual outcome of FP16: some of it stays FP32."""
    for achieved, expected in (("mixed", "fp16"), ("fp16", "fp16"), ("fp32", "fp32")):
        sidecar: Any = SimpleNamespace(library="tensorrt", precision={"achieved": achieved})
        assert _name_of(sidecar) == f"tensorrt-{expected}"
