"""The builder end to end on fakes that have each version's attributes and no other."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from export.contract import model_contract
from export.conversion.model_file import read_model
from export.precision import half_model
from runtime.engines.sidecar import EngineSidecar
from runtime.engines.sidecar_fields import this_platform
from runtime.engines.tensors import ShapeRange
from runtime.files import sha256_of
from runtime.recognition.best_path_session import line_profile
from runtime.recognition.session import open_session
from tests.fakes.plan import Plan
from tests.runtime.conftest import toy_spec


def test_plan_and_sidecar_belong_together_and_read(host: Any) -> None:
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
    assert [binding.name for binding in sidecar.bindings] == [
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


def test_half_is_asked_for_and_told(host: Any) -> None:
    result = host.build({"is_half": True, "tie_tolerance": 0.02})
    sidecar = EngineSidecar.read(host.plan)
    assert result["precision"] == sidecar.precision["achieved"] == "fp16"
    # The toy's only product is its last one.
    assert {entry["operator"] for entry in sidecar.precision["kept_fp32"]} >= {"Conv", "Softmax"}
    assert sidecar.spec["provenance"]["source_onnx_sha256"] == sidecar.onnx_sha256
    assert sidecar.parity["onnx"]["num_samples"] == 5


def test_a_half_model_is_taken_as_it_is(host: Any) -> None:
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


def test_options_reach_the_library(host: Any) -> None:
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
    host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cache = host.folder / "timing.cache"
    cache.write_bytes(b"of another machine")
    host.build(timing_cache=str(cache))
    assert "fits another version or GPU" in caplog.text
    assert cache.read_bytes() == b"fake cache"


def test_bucket_profiles(host: Any) -> None:
    result = host.build({"buckets": []})
    ranges = [profile["pixels"] for profile in result["profiles"]]
    widths = [(range_["min"][2], range_["opt"][2], range_["max"][2]) for range_ in ranges]
    assert widths == [(32, 32, 32), (64, 64, 64), (96, 96, 128), (160, 224, 256), (288, 320, 320)]


def test_a_smaller_batch_is_tried_and_told(host: Any, caplog: pytest.LogCaptureFixture) -> None:
    host.trt._wishes.max_buildable_batch = 3
    host.build()
    (profile,) = EngineSidecar.read(host.plan).profiles
    assert {(range_.opt[0], range_.max[0]) for range_ in profile.values()} == {(2, 2)}
    assert "trying a largest batch of 4" in caplog.text
    assert "trying a largest batch of 2" in caplog.text


def test_an_engine_for_another_gpu_is_written_unproven(
    make_host: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = make_host("rtx-1.7")
    with caplog.at_level("INFO"):
        host.build(compute_capabilities=("8.9",), is_detailed=True)
    sidecar = EngineSidecar.read(host.plan)
    assert sidecar.target_compute_capabilities == ("8.9",) and "engine" not in sidecar.parity
    assert "for compute capability 8.9 and the GPU here has 8.6" in caplog.text
    host.build(compute_capabilities=("8.6", "8.9"))
    assert "engine" in EngineSidecar.read(host.plan).parity


def test_crops_narrower_than_the_smallest_profile_are_widened(host: Any) -> None:
    shapes = {"min": "x:1x3x32x64", "opt": "x:4x3x32x96", "max": "x:8x3x32x320"}
    cv2.imwrite(str(host.folder / "crops" / "narrow.png"), np.full((32, 20, 3), 200, np.uint8))
    cv2.imwrite(str(host.folder / "crops" / "wide.png"), np.full((32, 900, 3), 200, np.uint8))
    host.build({"shapes": shapes})
    proof = EngineSidecar.read(host.plan).parity["engine"]
    assert proof["num_equal"] == proof["num_samples"] == 8


def test_every_path_of_an_engine_is_compared(host: Any) -> None:
    """Plain, captured and replayed; RTX captures by itself."""
    host.build()
    calls = host.cuda.calls
    assert calls.count("execute_async_v3") + calls.count("launch_graph") >= 3 * 2
    if host.library.name == "tensorrt":
        assert "begin_capture" in calls and "launch_graph" in calls


@pytest.mark.parametrize("version", ["10.16", "11.4"])
def test_layers_of_a_version_compatible_plan_are_told(
    make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    host = make_host(version)
    layers = tmp_path / "layers.json"
    host.build({"layer_info": layers}, flags=("versionCompatible",), is_detailed=True)
    assert host.plan.is_file() and layers.is_file()


def test_without_a_gpu_rtx_builds_and_says_what_it_did_not_do(
    make_host: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = make_host("rtx-1.7")
    host.cuda.devices = None
    cache = tmp_path / "timing.cache"
    cache.write_bytes(b"precious")
    with caplog.at_level(logging.INFO):
        result = host.build(timing_cache=str(cache))
    assert result["gpu"] is None
    assert result["target_compute_capabilities"] == ["8.6", "8.9", "12.0", "12.1"]
    assert "was built but not run" in caplog.text
    assert cache.read_bytes() == b"precious"


def test_a_build_that_is_proven_is_not_told_that_it_was_never_compared(
    host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host.build()
    assert "never compared" not in caplog.text
    assert "engine" in EngineSidecar.read(host.plan).parity


def test_a_plan_without_its_lean_runtime_is_proven_by_the_package(
    make_host: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where that is missing the plan is not lost: another machine may have it."""
    host = make_host("11.4")
    for name in ("tensorrt_lean", "tensorrt_lean_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    flags = ("versionCompatible", "excludeLeanRuntime")
    host.build(flags=flags)
    assert "was built but not run" in caplog.text and "[tensorrt-lean]" in caplog.text
    assert "engine" not in EngineSidecar.read(host.plan).parity
    monkeypatch.setitem(sys.modules, "tensorrt_lean", host.trt)
    host.build(flags=flags)
    assert "engine" in EngineSidecar.read(host.plan).parity


def test_a_timing_cache_that_cannot_be_kept_is_a_warning(
    host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What took minutes is not lost for it."""
    folder = host.folder / "cache"
    folder.mkdir()
    host.build(timing_cache=str(folder))
    assert host.plan.is_file()
    assert f"--timingCacheFile: {folder} cannot be read: Is a directory" in caplog.text
    assert f"--timingCacheFile: {folder} cannot be written: Is a directory" in caplog.text
