"""The builder end to end on fakes that have each version's attributes and no other."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from export.contract import model_contract
from export.conversion import staging
from export.conversion.model_file import read_model
from export.engine import BuildOptions, EngineRequest, build_engine
from export.engine.build import Built, build_plan
from export.engine.configure import configured
from export.precision import half_model
from runtime.engines.sidecar import EngineSidecar
from runtime.engines.sidecar_fields import this_platform
from runtime.engines.tensorrt.library import TensorRtLibrary, log_of
from runtime.engines.tensors import ShapeRange
from runtime.errors import ArtifactError, ConfigError, EngineError, ParityError
from runtime.files import sha256_of
from runtime.recognition.best_path_session import BestPathSession, line_profile
from runtime.recognition.session import open_session
from tests.fakes.cuda import FakeCuda
from tests.fakes.plan import Plan
from tests.fakes.tensorrt import VERSIONS, fake_tensorrt
from tests.runtime.conftest import toy_spec, write_toy_model

SHAPES = {"min": "x:1x3x32x32", "opt": "x:4x3x32x96", "max": "x:8x3x32x320"}


class Host:
    """A machine with a fake library and GPU, a toy model and crops."""

    def __init__(self, trt: Any, folder: Path) -> None:
        self.trt, self.cuda, self.folder = trt, trt._cuda, folder
        self.library = TensorRtLibrary(trt, trt.__name__, trt.__version__)
        self.plan = folder / "out" / "toy.plan"
        self.request = EngineRequest(
            onnx_path=write_toy_model(folder / "toy.onnx", spec=toy_spec()),
            plan_path=self.plan,
            shapes=SHAPES,
            images=[write_crops(folder / "crops")],
            rebuild_command="python -m export build …",
        )

    def build(self, changes: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Build with changed request and options, in this process."""
        request = replace(self.request, options=BuildOptions(**options), **(changes or {}))
        return build_engine(request, self._build)

    def _build(
        self, graph: bytes, name: str, profiles: Sequence[ShapeRange], options: BuildOptions
    ) -> Built:
        return build_plan(self.library, graph, name, profiles, options, self.cuda)


def write_crops(folder: Path) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number, width in enumerate((40, 90, 90, 200, 310)):
        blocks = rng.integers(0, 256, (1, -(-width // 12), 3), dtype=np.uint8)
        line = np.repeat(np.repeat(blocks, 32, axis=0), 12, axis=1)[:, :width]
        cv2.imwrite(str(folder / f"{number}.png"), line)
    return folder


@pytest.fixture(params=list(VERSIONS))
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return made_host(request.param, tmp_path, monkeypatch)


def made_host(version: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    trt = fake_tensorrt(version, FakeCuda())
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    monkeypatch.setattr("runtime.engines.tensorrt.plan.open_cuda", lambda: trt._cuda)
    return Host(trt, folder)


def test_plan_and_sidecar_belong_together_and_read(host: Host) -> None:
    result = host.build()
    sidecar = EngineSidecar.read(host.plan)
    plan = host.plan.read_bytes()
    assert sidecar.plan_sha256 == sha256_of(plan) == result["plan_sha256"]
    assert sidecar.onnx_sha256 == sha256_of(host.request.onnx_path.read_bytes())
    assert Plan.unpack(plan).name == sidecar.engine_name
    assert sidecar.profiles == (
        line_profile(ShapeRange((1, 3, 32, 32), (4, 3, 32, 96), (8, 3, 32, 320))),
    )
    assert (sidecar.library, sidecar.library_version) == (host.library.name, host.library.version)
    assert sidecar.gpu_name and sidecar.driver_version and sidecar.compute_capability
    assert sidecar.precision["achieved"] == "fp32"
    assert sidecar.parity["engine"]["num_equal"] == 6  # 5 crops and one line of all
    assert (sidecar.task, sidecar.spec) == ("rec", toy_spec().as_json())
    assert sidecar.platform == this_platform()
    assert [one.name for one in sidecar.bindings] == [
        *("pixels", "content_widths", "classes", "confidences")
    ]
    # RTX keeps the kernels that it compiled for the proof.
    kernels = ["toy.plan.kernels"] if host.library.name == "tensorrt_rtx" else []
    written = sorted(file.name for file in host.plan.parent.iterdir())
    assert written == ["toy.plan", "toy.plan.json", *kernels]
    assert json.dumps(result)
    session = open_session(host.plan, device="cuda")
    assert session.spec.characters == toy_spec().characters
    session.close()


def test_half_is_asked_for_and_told(host: Host) -> None:
    result = host.build({"is_half": True, "tie_tolerance": 0.02})
    sidecar = EngineSidecar.read(host.plan)
    assert result["precision"] == sidecar.precision["achieved"] == "fp16"
    # The toy's only product is its last one.
    assert {one["operator"] for one in sidecar.precision["kept_fp32"]} >= {"Conv", "Softmax"}
    assert sidecar.spec["provenance"]["source_onnx_sha256"] == sidecar.onnx_sha256
    assert sidecar.parity["onnx"]["num_samples"] == 5


def test_a_half_model_is_taken_as_it_is(host: Host) -> None:
    source = read_model(host.request.onnx_path)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32, 64, 3)).astype(np.uint8)]
    contract = model_contract(source.spec)
    noise = contract.samples(images, "noise")
    half = half_model(source.model, contract, noise, is_quiet=True)
    path = host.folder / "half.onnx"
    path.write_bytes(half.model.SerializeToString())
    host.build({"onnx_path": path, "is_half": True})
    sidecar = EngineSidecar.read(host.plan)
    assert sidecar.precision["asked"] == "as given"
    assert sidecar.precision["achieved"] == half.report.achieved
    assert sidecar.onnx_sha256 == sha256_of(path.read_bytes())
    assert sidecar.parity["onnx"]["samples_from"] == "noise"


def test_options_reach_the_library(host: Host) -> None:
    cache = host.folder / "timing.cache"
    host.build(
        flags=("refit", "versionCompatible"),
        hardware_level="ampere+",
        pool_bytes={"workspace": 1 << 30},
        optimization_level=2,
        max_aux_streams=1,
        timing_cache=str(cache),
    )
    plan = Plan.unpack(host.plan.read_bytes())
    assert {"REFIT", "VERSION_COMPATIBLE"} <= set(plan.flags) and "TF32" not in plan.flags
    assert plan.hardware == "AMPERE_PLUS"
    assert cache.read_bytes() == b"fake cache"
    sidecar = EngineSidecar.read(host.plan)
    assert sidecar.version_compatible and sidecar.hardware_compatibility == "ampere_plus"
    assert sidecar.options["pool_bytes"] == {"workspace": 1 << 30}


def test_a_timing_cache_of_another_machine_is_made_anew(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    cache = host.folder / "timing.cache"
    cache.write_bytes(b"of another machine")
    host.build(timing_cache=str(cache))
    assert "fits another version or GPU" in caplog.text
    assert cache.read_bytes() == b"fake cache"


def test_bucket_profiles(host: Host) -> None:
    result = host.build({"buckets": []})
    ranges = [profile["pixels"] for profile in result["profiles"]]
    widths = [(one["min"][2], one["opt"][2], one["max"][2]) for one in ranges]
    assert widths == [(32, 32, 32), (64, 64, 64), (96, 96, 128), (160, 224, 256), (288, 320, 320)]


def test_a_smaller_batch_is_tried_and_told(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    host.trt._wishes.max_buildable_batch = 3
    host.build()
    (profile,) = EngineSidecar.read(host.plan).profiles
    assert {(one.opt[0], one.max[0]) for one in profile.values()} == {(2, 2)}
    assert "trying a largest batch of 4" in caplog.text
    assert "trying a largest batch of 2" in caplog.text


def test_no_batch_at_all_is_an_error_with_the_librarys_words(host: Host) -> None:
    host.trt._wishes.max_buildable_batch = 0
    with pytest.raises(EngineError, match=r"cannot build the engine: .*implementation"):
        host.build()
    assert not host.plan.exists() and not host.plan.parent.exists()


def test_a_refused_operator_is_named_with_its_node(host: Host) -> None:
    host.trt._wishes.unsupported_operators = ("AveragePool",)
    with pytest.raises(EngineError, match=r"cannot take the graph: AveragePool '.*no importer"):
        host.build()
    assert not host.plan.exists()


def test_an_engine_that_reads_otherwise_gets_no_name(
    host: Host, monkeypatch: pytest.MonkeyPatch
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


def test_what_a_version_does_not_know_is_told_with_the_flag(host: Host) -> None:
    if host.library.name == "tensorrt":
        with pytest.raises(EngineError, match=r"--computeCapability, got 8\.9"):
            host.build(compute_capabilities=("8.9",))
    else:
        with pytest.raises(EngineError, match=r"--computeCapability: .* does not know SM90"):
            host.build(compute_capabilities=("9.0",))


def test_without_a_gpu_tensorrt_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = made_host("10.16", tmp_path, monkeypatch)
    host.cuda.devices = None
    with pytest.raises(EngineError, match="no NVIDIA GPU can be used here"):
        host.build()


def test_without_a_gpu_rtx_builds_and_says_what_it_did_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host = made_host("rtx-1.7", tmp_path, monkeypatch)
    host.cuda.devices = None
    cache = tmp_path / "timing.cache"
    cache.write_bytes(b"precious")
    with caplog.at_level(logging.INFO):
        result = host.build(timing_cache=str(cache))
    assert result["gpu"] is None
    assert result["target_compute_capabilities"] == ["8.6", "8.9", "12.0", "12.1"]
    assert "was built but not run" in caplog.text
    assert cache.read_bytes() == b"precious"


def test_a_name_that_is_no_plan_is_refused_first(tmp_path: Path) -> None:
    request = EngineRequest(tmp_path / "missing.onnx", tmp_path / "a.trt")
    with pytest.raises(ConfigError, match=r"--saveEngine: expected a name ending in \.plan"):
        build_engine(request)


def test_a_folder_that_refuses_is_met_before_anything_is_built(host: Host) -> None:
    host.folder.joinpath("out").write_bytes(b"a file")

    def never(*_: Any) -> Built:
        pytest.fail("it was built")

    with pytest.raises(ArtifactError, match=r"cannot write in .*out: .*; give a folder"):
        build_engine(host.request, never)


@pytest.mark.parametrize("name", ["toy.plan", "toy.plan.json"])
def test_on_a_full_disk_neither_plan_nor_sidecar_changes(
    host: Host, monkeypatch: pytest.MonkeyPatch, name: str
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


def test_an_engine_for_another_gpu_is_written_unproven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host = made_host("rtx-1.7", tmp_path, monkeypatch)
    with caplog.at_level("INFO"):
        host.build(compute_capabilities=("8.9",), is_detailed=True)
    sidecar = EngineSidecar.read(host.plan)
    assert sidecar.target_compute_capabilities == ("8.9",) and "engine" not in sidecar.parity
    assert "for compute capability 8.9 and the GPU here has 8.6" in caplog.text
    host.build(compute_capabilities=("8.6", "8.9"))
    assert "engine" in EngineSidecar.read(host.plan).parity


def test_crops_narrower_than_the_smallest_profile_are_widened(host: Host) -> None:
    shapes = {"min": "x:1x3x32x64", "opt": "x:4x3x32x96", "max": "x:8x3x32x320"}
    cv2.imwrite(str(host.folder / "crops" / "narrow.png"), np.full((32, 20, 3), 200, np.uint8))
    cv2.imwrite(str(host.folder / "crops" / "wide.png"), np.full((32, 900, 3), 200, np.uint8))
    host.build({"shapes": shapes})
    proof = EngineSidecar.read(host.plan).parity["engine"]
    assert proof["num_equal"] == proof["num_samples"] == 8


def test_every_path_of_an_engine_is_compared(host: Host) -> None:
    """Plain, captured and replayed; RTX captures by itself."""
    host.build()
    calls = host.cuda.calls
    assert calls.count("execute_async_v3") + calls.count("launch_graph") >= 3 * 2
    if host.library.name == "tensorrt":
        assert "begin_capture" in calls and "launch_graph" in calls


@pytest.mark.parametrize("version", ["10.16", "11.4"])
def test_layers_of_a_version_compatible_plan_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    host = made_host(version, tmp_path, monkeypatch)
    layers = tmp_path / "layers.json"
    host.build({"layer_info": layers}, flags=("versionCompatible",), is_detailed=True)
    assert host.plan.is_file() and layers.is_file()


def test_layers_that_cannot_be_told_are_a_warning(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("export.engine.build.layer_information", lambda *_: "")
    host.build({"layer_info": host.folder / "layers.json"}, is_detailed=True)
    assert host.plan.is_file() and not (host.folder / "layers.json").exists()
    assert "layers of the engine cannot be told" in caplog.text


def test_a_profile_that_the_binding_refuses_is_an_engine_error(host: Host) -> None:
    wrong = SimpleNamespace(min=(2, 32, 32, 3), opt=(1, 32, 32, 3), max=(4, 32, 32, 3))
    log = log_of(host.trt)
    builder = host.trt.Builder(log.logger)
    with pytest.raises(EngineError, match="the library refuses the profile pixels"):
        configured(host.library, log, builder, BuildOptions(), [{"pixels": wrong}], ())  # type: ignore[dict-item]


def test_turing_is_refused_with_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT-RTX builds no FP32 products for it, and the last one always is FP32."""
    host = made_host("rtx-1.7", tmp_path, monkeypatch)
    said = "Cannot compile operation 'MatMul' for Turing (SM75): FP32 GEMM is not supported"
    monkeypatch.setattr(host.trt.Builder, "_problem", lambda *_: said)
    with pytest.raises(EngineError, match=r"no FP32 products for Turing .*--backend tensorrt"):
        host.build(compute_capabilities=("7.5",))
