"""What the builder refuses, or goes on without, and how it says so."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from export.conversion import staging
from export.engine import BuildOptions, EngineRequest, build_engine
from export.engine.build import Built
from export.engine.configure import configured
from runtime.engines.tensorrt.library import log_of
from runtime.errors import ArtifactError, ConfigError, EngineError, ParityError
from runtime.recognition.best_path_session import BestPathSession


def test_no_batch_at_all_is_an_error_with_the_librarys_words(host: Any) -> None:
    host.trt._wishes.max_buildable_batch = 0
    with pytest.raises(EngineError, match=r"cannot build the engine: .*implementation"):
        host.build()
    assert not host.plan.exists() and not host.plan.parent.exists()


def test_a_refused_operator_is_named_with_its_node(host: Any) -> None:
    host.trt._wishes.unsupported_operators = ("AveragePool",)
    with pytest.raises(EngineError, match=r"cannot take the graph: AveragePool '.*no importer"):
        host.build()
    assert not host.plan.exists()


def test_an_engine_that_reads_otherwise_gets_no_name(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.build()
    before = host.plan.read_bytes()
    read = BestPathSession.read

    def misread(session: BestPathSession, lines: Any, width: int) -> Any:
        classes, confidences = read(session, lines, width)
        return np.where(classes == 1, 2, 1), confidences

    monkeypatch.setattr(BestPathSession, "read", misread)
    with pytest.raises(ParityError, match=r"reads otherwise than onnxruntime: 6 of 6 .*not writ"):
        host.build({"buckets": []})
    assert host.plan.read_bytes() == before
    assert not [file for file in host.plan.parent.iterdir() if file.name[0] == "."]


def test_what_a_version_does_not_know_is_told_with_the_flag(host: Any) -> None:
    if host.library.name == "tensorrt":
        with pytest.raises(EngineError, match=r"--computeCapability, got 8\.9"):
            host.build(compute_capabilities=("8.9",))
    else:
        with pytest.raises(EngineError, match=r"--computeCapability: .* does not know SM90"):
            host.build(compute_capabilities=("9.0",))


def test_without_a_gpu_tensorrt_is_one_sentence(
    make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host("10.16")
    host.cuda.devices = None
    with pytest.raises(EngineError, match="no NVIDIA GPU can be used here"):
        host.build()


def test_a_name_that_is_no_plan_is_refused_first(tmp_path: Path) -> None:
    request = EngineRequest(tmp_path / "missing.onnx", tmp_path / "a.trt")
    with pytest.raises(ConfigError, match=r"--saveEngine: expected a name ending in \.plan"):
        build_engine(request)


def test_a_folder_that_refuses_is_met_before_anything_is_built(host: Any) -> None:
    host.folder.joinpath("out").write_bytes(b"a file")

    def never(*_: Any) -> Built:
        pytest.fail("it was built")

    with pytest.raises(ArtifactError, match=r"cannot write in .*out: .*; give a folder"):
        build_engine(host.request, never)


@pytest.mark.parametrize("name", ["toy.plan", "toy.plan.json"])
def test_on_a_full_disk_neither_plan_nor_sidecar_changes(
    host: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    host.build()
    before = {file.name: file.read_bytes() for file in host.plan.parent.iterdir()}
    flush = staging._flush

    def full(file: Path) -> None:
        if file.name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(file)

    monkeypatch.setattr(staging, "_flush", full)
    with pytest.raises(ArtifactError, match="No space left"):
        host.build(optimization_level=1)
    assert {file.name: file.read_bytes() for file in host.plan.parent.iterdir()} == before


def test_layers_that_cannot_be_told_are_a_warning(
    host: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("export.engine.build.layer_information", lambda *_: "")
    host.build({"layer_info": host.folder / "layers.json"}, is_detailed=True)
    assert host.plan.is_file() and not (host.folder / "layers.json").exists()
    assert "layers of the engine cannot be told" in caplog.text


@pytest.mark.parametrize("least", [2, -1])
def test_a_profile_that_is_refused_is_an_engine_error(host: Any, least: int) -> None:
    """Whether the binding raises or the library gives a number below 0."""
    wrong = SimpleNamespace(min=(least, 32, 32, 3), opt=(1, 32, 32, 3), max=(4, 32, 32, 3))
    log = log_of(host.trt)
    builder = host.trt.Builder(log.logger)
    with pytest.raises(EngineError, match="the library refuses the profile pixels"):
        configured(host.library, log, builder, BuildOptions(), [{"pixels": wrong}], ())  # type: ignore[dict-item]


def test_turing_is_refused_with_the_way(
    make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT-RTX builds no FP32 products for it, and the last one always is FP32."""
    host = make_host("rtx-1.7")
    said = "Cannot compile operation 'MatMul' for Turing (SM75): FP32 GEMM is not supported"
    monkeypatch.setattr(host.trt.Builder, "_problem", lambda *_: said)
    with pytest.raises(EngineError, match=r"no FP32 products for Turing .*--backend tensorrt"):
        host.build(compute_capabilities=("7.5",))


def test_turing_at_hand_is_refused_with_the_way(
    make_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host("rtx-1.7")
    host.cuda.capability = "7.5"
    said = "Cannot compile operation 'MatMul' for Turing (SM75): FP32 GEMM is not supported"
    monkeypatch.setattr(host.trt.Builder, "_problem", lambda *_: said)
    with pytest.raises(EngineError, match=r"no FP32 products for Turing .*--backend tensorrt"):
        host.build()


def test_a_library_that_makes_no_builder_is_one_sentence(host: Any) -> None:
    host.trt._wishes.makes_nothing = True
    with pytest.raises(EngineError, match=r"TensorRT makes no builder \(pybind11.*nullptr\)"):
        host.build()


@pytest.mark.parametrize("refusal", ["null", "place"])
def test_layers_that_are_refused_never_cost_the_plan(
    make_host: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, refusal: str
) -> None:
    host = make_host("11.4")
    layers = host.folder / "layers"
    layers.mkdir()
    if refusal == "null":

        def gives_null(*_: Any) -> None:
            raise TypeError("Unable to convert function return value")

        monkeypatch.setattr(host.trt.ICudaEngine, "create_engine_inspector", gives_null)
    host.build({"layer_info": layers}, is_detailed=True)
    assert host.plan.is_file()
    expected = {"null": "TensorRT makes no inspector", "place": "layers cannot be written: Is a"}
    assert expected[refusal] in caplog.text


def test_a_driver_that_does_not_answer_is_told_where_none_is_needed(
    make_host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """TensorRT-RTX builds without a GPU, but a person with one wants to know."""
    host = make_host("rtx-1.7")
    host.cuda.devices = None
    host.build()
    assert "a driver is here, but no GPU can be used: cudaGetDeviceCount failed" in caplog.text
    caplog.clear()
    host.cuda.driver_version = lambda: "0.0"
    host.build()
    assert "a driver is here" not in caplog.text
