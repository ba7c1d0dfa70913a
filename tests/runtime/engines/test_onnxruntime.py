"""What onnxruntime is told, and what it may print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.engines import open_engine
from runtime.engines.onnxruntime import CPU, CUDA, OnnxRuntimeEngine, cuda_options
from runtime.engines.tensors import Part
from runtime.errors import EngineError

onnxruntime = pytest.importorskip("onnxruntime", reason="it is tested here")


def test_fp32_means_fp32_on_cuda() -> None:
    options = cuda_options(1, "DEFAULT")
    assert options["use_tf32"] == "0"
    assert options["device_id"] == "1"
    assert options["cudnn_conv_algo_search"] == "DEFAULT"


class Session:
    """A session on CUDA that remembers what it was made with."""

    made_with: Any = None

    def __init__(self, path: str, options: Any, providers: Any, **more: Any) -> None:
        Session.made_with = providers
        real = onnxruntime.InferenceSession(path, options, providers=[CPU])
        self.get_inputs, self.get_outputs = real.get_inputs, real.get_outputs
        self.get_modelmeta = real.get_modelmeta

    def get_providers(self) -> list[str]:
        return [CUDA, CPU]


class Package:
    """onnxruntime with CUDA, which complains on stdout of libraries it does not find."""

    __version__ = "1.99"
    SessionOptions = onnxruntime.SessionOptions
    InferenceSession = Session
    error: Exception | None = None

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU]

    def preload_dlls(self) -> None:
        print("Failed to load libcublasLt.so.13")
        if self.error is not None:
            raise self.error


def test_the_package_on_cuda_gets_the_options_and_prints_no_records(
    toy_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", Package())
    engine = OnnxRuntimeEngine(toy_path, "cuda", device_id=1)
    assert Session.made_with[0] == (CUDA, cuda_options(1, "HEURISTIC"))
    printed = capsys.readouterr()
    assert printed.out == "" and "libcublasLt" in printed.err
    assert not engine.is_on_cpu and engine.samples_at_once is None
    assert engine.parts(5, {}) == [Part(0, 5, 8)]
    assert [engine.parts(count, {})[0].batch for count in (1, 2, 3, 32, 33)] == [1, 2, 4, 32, 64]


def test_preloading_that_fails_is_an_engine_error(
    toy_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Package()
    package.error = RuntimeError("cannot open shared object")
    monkeypatch.setitem(sys.modules, "onnxruntime", package)
    with pytest.raises(EngineError, match="cannot use CUDA: cannot open shared object"):
        OnnxRuntimeEngine(toy_path, "cuda")


def test_named_tensors_in_named_tensors_out(toy_path: Path) -> None:
    engine = open_engine(toy_path, device="cpu", threads=1)
    (source,), (target,) = engine.inputs, engine.outputs
    assert (source.name, source.dtype, source.sizes) == ("x", "float32", (None, 3, 32, None))
    batch = np.zeros((2, 3, 32, 64), np.float32)
    outputs = engine.run({"x": batch})
    assert list(outputs) == [target.name] and len(outputs[target.name]) == 2

    def fill(views: Any) -> None:
        views["x"][...] = batch

    filled = engine.run_filled({"x": batch.shape}, fill)
    np.testing.assert_array_equal(filled[target.name], outputs[target.name])
    assert engine.parts(3, {}) == [Part(0, 1, 1), Part(1, 1, 1), Part(2, 1, 1)]
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run({"x": batch})
