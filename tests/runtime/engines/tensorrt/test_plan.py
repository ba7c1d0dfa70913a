"""Plans that do not fit, and machines that lack something."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.engines.sidecar import EngineSidecar
from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.engines.tensorrt.library import load_tensorrt, log_of
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.engines.tensorrt.rtx import diagnosed
from runtime.engines.tensors import ShapeRange
from runtime.errors import ArtifactError, EngineError
from runtime.files import sha256_of
from runtime.recognition.best_path_session import BestPathSession, line_profile
from runtime.recognition.session import open_session
from tests.fakes.toy_engine import REBUILD, build_plan

pytest.importorskip("onnxruntime", reason="the fake engine runs on it")


def test_what_an_engine_tells(host: Any) -> None:
    plan = host.opened()
    assert plan.gpu.name == "Fake GPU 0" and plan.gpu.compute_capability == "8.6"
    assert plan.scratch_nbytes(0) > 0


def test_a_changed_plan_is_refused_before_tensorrt_sees_it(make_host: Any) -> None:
    host = make_host()
    plan = host.plan()
    plan.write_bytes(plan.read_bytes()[:-1] + b"!")
    host.trt.Runtime = None  # not even looked at
    with pytest.raises(EngineError, match=f"SHA-256 of the plan: expected .* rebuild: {REBUILD}"):
        host.opened(plan)


def test_a_plan_of_another_version_is_refused_before_tensorrt_sees_it(make_host: Any) -> None:
    host = make_host("10.16")
    plan = host.plan()
    host.trt.__version__ = "10.17.0"
    host.trt.Runtime = None
    with pytest.raises(EngineError, match=r"expected 10\.16\.1\.11, got 10\.17\.0; rebuild"):
        host.opened(plan)


def test_a_plan_of_another_gpu_is_refused(make_host: Any) -> None:
    host = make_host()
    plan = host.plan()
    host.cuda.capability = "9.0"
    with pytest.raises(EngineError, match=r"compute capability: expected 8\.6, got 9\.0; rebuild"):
        host.opened(plan)


def test_a_version_compatible_plan_may_run_its_own_code(make_host: Any) -> None:
    host = make_host("10.16")
    plan = host.plan(flags=["VERSION_COMPATIBLE"])
    host.trt.__version__ = "10.17.0"
    assert host.opened(plan).sidecar.version_compatible


def test_what_tensorrt_says_is_in_the_error(host: Any) -> None:
    plan = host.plan(plan_sha256=sha256_of(b"junk"))
    plan.write_bytes(b"junk")
    with pytest.raises(EngineError, match=r"it said: .*magic tag does not match; rebuild: ") as e:
        host.opened(plan)
    assert "\n" not in str(e.value)


def test_what_rtx_finds_wrong_with_a_plan_is_in_the_error(make_host: Any) -> None:
    host = make_host("rtx-1.7")
    plan = host.plan(plan_sha256=sha256_of(b"junk"))
    plan.write_bytes(b"junk")
    with pytest.raises(EngineError, match=r"it said: MALFORMED_ENGINE, VERSION_MISMATCH: "):
        host.opened(plan)


def test_a_real_rtx_says_what_is_wrong_with_a_plan() -> None:
    """It tells without a GPU."""
    trt = pytest.importorskip("tensorrt_rtx", reason="the real library is asked")
    runtime = trt.Runtime(log_of(trt).logger)
    assert diagnosed(runtime, trt, b"junk" * 100) == "MALFORMED_ENGINE"
    assert diagnosed(object(), trt, b"") == ""


def test_a_library_that_makes_no_runtime_is_one_sentence(host: Any) -> None:
    """The bindings raise TypeError where the library gives null."""
    plan = host.plan()
    host.trt._wishes.makes_nothing = True
    with pytest.raises(EngineError, match=r"TensorRT makes no runtime \(pybind11.*fits the driver"):
        host.opened(plan)


@pytest.mark.parametrize(
    ("what", "said"),
    [("dtype", "types that NumPy lacks: expected {}, got"), ("rank", "numbers of dimensions")],
)
def test_tensors_that_cannot_be_fed_are_refused(
    make_host: Any, monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    host = make_host()
    plan, trt = host.plan(), host.trt
    if what == "dtype":
        monkeypatch.setattr(trt.ICudaEngine, "get_tensor_dtype", lambda *_: trt.DataType.BF16)
        entries = vars(EngineSidecar.read(plan))
        bindings = tuple(replace(binding, dtype="bf16") for binding in entries["bindings"])
        EngineSidecar(**{**entries, "bindings": bindings}).write(plan)
    else:
        monkeypatch.setattr(trt.ICudaEngine, "get_tensor_shape", lambda *_: trt.Dims((1,) * 5))
    with pytest.raises(ArtifactError, match=said):
        host.opened(plan)


def test_a_plan_on_trial_is_not_told_that_it_was_never_compared(
    make_host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host()
    host.opened(host.plan(), is_on_trial=True).close()
    assert "never compared" not in caplog.text


def test_a_plan_without_a_sidecar_is_refused(make_host: Any) -> None:
    host = make_host()
    plan = host.plan()
    Path(f"{plan}.json").unlink()
    with pytest.raises(ArtifactError, match=r"python -m export build --onnx MODEL\.onnx"):
        host.opened(plan)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"graph_sha256": "f" * 64}, "name: expected distilrec ffffffffffffffff, got distilrec"),
        (
            {
                "profiles": (
                    line_profile(ShapeRange((1, 3, 32, 32), (1, 3, 32, 32), (1, 3, 32, 96))),
                )
            },
            "profiles: expected",
        ),
    ],
)
def test_a_sidecar_of_another_plan_is_refused(
    make_host: Any, changes: dict[str, Any], said: str
) -> None:
    host = make_host()
    plan = host.plan()
    entries = {**vars(EngineSidecar.read(plan)), **changes}
    EngineSidecar(**entries).write(plan)
    with pytest.raises(ArtifactError, match=said):
        host.opened(plan)


def test_a_plain_recogniser_is_no_engine(make_host: Any) -> None:
    """A plan of the model itself, as trtexec makes it, has other inputs and outputs."""
    host = make_host()
    plan = host.plan()
    trt, logger = host.trt, host.trt.Logger(host.trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    network.name = EngineSidecar.read(plan).engine_name
    assert trt.OnnxParser(network, logger).parse_from_file(str(host.onnx))
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("x", (1, 3, 32, 32), (1, 3, 32, 32), (1, 3, 32, 32))
    config.add_optimization_profile(profile)
    built = bytes(builder.build_serialized_network(network, config))
    plan.write_bytes(built)
    entries = {**vars(EngineSidecar.read(plan)), "plan_sha256": sha256_of(built)}
    EngineSidecar(**entries).write(plan)
    with pytest.raises(
        ArtifactError, match=r"inputs and outputs: expected {'pixels': 'input', .*, got"
    ):
        host.opened(plan)


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        (None, "no NVIDIA GPU can be used here: expected a working NVIDIA driver, got: cuda"),
        (0, "no NVIDIA GPU can be used here: the driver shows none"),
        (2, r"no NVIDIA GPU of number 5: expected 0 to 1"),
    ],
)
def test_without_driver_or_gpu_tensorrt_is_never_touched(
    make_host: Any, devices: int | None, said: str
) -> None:
    host = make_host("rtx-1.7")
    plan = host.plan()
    host.cuda.devices, host.trt.Runtime = devices, None
    with pytest.raises(EngineError, match=said):
        host.opened(plan, device_id=5)


def test_the_cpu_is_refused_and_a_dictionary_taken(
    make_host: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = make_host()
    host.install(monkeypatch)
    plan = host.plan()
    with pytest.raises(EngineError, match=r"runs on a GPU only.*got cpu; give the \.onnx file"):
        open_session(plan, device="cpu")
    characters = tmp_path / "dict.txt"
    characters.write_text("\n".join("ABCDEFGHIJKLMN"), encoding="utf-8")
    session = open_session(plan, characters, device="cuda")
    assert session.spec.characters == (*"ABCDEFGHIJKLMN", " ")
    session.close()
    characters.write_text("A\nB", encoding="utf-8")
    with pytest.raises(ArtifactError, match="classes"):
        open_session(plan, characters)


def test_real_packages_without_a_driver_give_one_sentence(toy_path: Path, tmp_path: Path) -> None:
    """A real plan, the real TensorRT-RTX, the real cuda-python: an error, never a crash."""
    trt = pytest.importorskip("tensorrt_rtx")
    runtime = pytest.importorskip("cuda.bindings.runtime")
    if int(runtime.cudaGetDeviceCount()[0]) == 0:
        pytest.skip("there is a driver, whose absence is tested here")
    assert load_tensorrt("tensorrt-rtx").module is trt
    plan = build_plan(trt, toy_path, tmp_path / "toy.plan", compute_capability=None)
    with pytest.raises(EngineError) as error:
        open_session(plan)
    assert "no NVIDIA GPU can be used here: expected a working NVIDIA driver" in str(error.value)
    assert "cudaErrorInsufficientDriver" in str(error.value) and "\n" not in str(error.value)


def test_what_is_doubtful_of_a_plan_is_said(
    make_host: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host()
    host.opened(host.plan(gpu_name="Other GPU")).close()
    assert "was built and timed on Other GPU and runs on Fake GPU 0" in caplog.text
    assert "what it reads was never compared" in caplog.text
    caplog.clear()
    proven = {"parity": {"engine": {"num_equal": 5}}, "gpu_name": "Fake GPU 0"}
    host.opened(host.plan(**proven)).close()
    assert not caplog.text


@pytest.mark.parametrize("version", ["10.16", "11.4"])
def test_a_version_compatible_plan_runs_by_the_lean_runtime_alone(
    make_host: Any, monkeypatch: pytest.MonkeyPatch, lines_of: Any, version: str
) -> None:
    host = make_host(version)
    plan = host.plan(flags=["VERSION_COMPATIBLE"])
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_lean", host.trt)
    session = BestPathSession(TensorRtEngine(TensorRtPlan(plan, cuda=host.cuda)))
    assert "TensorRT's lean runtime" in session.description
    host.compare(session, seed=1, rounds=5)
    session.close()
    ordinary = host.plan()
    with pytest.raises(EngineError, match=r"TensorRT is not installed: .*distilrec\[tensorrt\]"):
        TensorRtPlan(ordinary, cuda=host.cuda)


def test_a_plan_without_its_lean_runtime_needs_the_package(
    make_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host()
    flags = {"flags": ["versionCompatible", "excludeLeanRuntime"]}
    plan = host.plan(flags=["VERSION_COMPATIBLE"], options=flags)
    with pytest.raises(EngineError, match=r"library: expected tensorrt_lean, got tensorrt"):
        host.opened(plan)
    for name in ("tensorrt_lean", "tensorrt_lean_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineError, match=r"lean runtime is not installed: .*\[tensorrt-lean\]"):
        TensorRtPlan(plan, cuda=host.cuda)


@pytest.mark.parametrize(("wish", "said"), [("location", "places"), ("shape", "decide shapes")])
def test_tensors_that_do_not_lie_on_the_device_are_refused(
    make_host: Any, monkeypatch: pytest.MonkeyPatch, wish: str, said: str
) -> None:
    host = make_host()
    engine = host.trt.ICudaEngine
    if wish == "location":
        host_side = host.trt.TensorLocation.HOST
        monkeypatch.setattr(engine, "get_tensor_location", lambda *_: host_side)
    else:
        monkeypatch.setattr(engine, "is_shape_inference_io", lambda *_: True)
    with pytest.raises(ArtifactError, match=said):
        host.opened()
