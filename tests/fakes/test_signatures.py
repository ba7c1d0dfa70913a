"""The fakes take what the real bindings take, and the real bindings say so here."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from runtime.engines.tensorrt.library import LEAN, TensorRtLog, load_tensorrt, log_of
from tests.fakes.cuda import FakeCuda
from tests.fakes.signatures import main, overloads_of, signatures
from tests.fakes.tensorrt import VERSIONS, fake_tensorrt


def test_overloads_are_read_from_docstrings() -> None:
    told = (
        "run(*args, **kwargs)\nOverloaded function.\n\n"
        "1. run(self: tensorrt.tensorrt.A, name: str, sizes: list[int] = [1, 2]) -> bool\n\n text\n"
        "2. run(self: tensorrt.tensorrt.A, other: tensorrt.tensorrt.B) -> tensorrt.tensorrt.C\n"
    )
    assert overloads_of(told) == [
        {"arguments": [["name", "str", False], ["sizes", "list[int]", True]], "returns": "bool"},
        {"arguments": [["other", "B", False]], "returns": "C"},
    ]


@pytest.mark.parametrize(
    ("module", "version"),
    [("tensorrt_rtx", "rtx-1.7"), ("tensorrt_lean_bindings", "11.4")],
)
def test_the_real_bindings_say_what_is_stored(
    module: str, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    real = pytest.importorskip(module, reason="its docstrings are read")
    if not real.__version__.startswith(version.removeprefix("rtx-")):
        pytest.skip(f"{real.__version__} is installed, {version} is stored")
    main(module)
    read = json.loads(capsys.readouterr().out)
    stored = signatures(version)
    assert {name: stored[name] for name in read} == read


@pytest.mark.parametrize("version", list(VERSIONS))
def test_a_call_that_the_real_binding_refuses_is_refused(version: str) -> None:
    trt: Any = fake_tensorrt(version, FakeCuda())
    profile = trt.IOptimizationProfile()
    profile.set_shape("x", (1,), (1,), (2,))
    for wrong in (("x", 1, 1, 2), ("x", (1,), (1,)), (7, (1,), (1,), (2,))):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            profile.set_shape(*wrong)


@pytest.mark.parametrize("version", [*VERSIONS, "real"])
def test_shapes_that_cannot_be_are_refused_when_the_real_binding_does(version: str) -> None:
    """Negative sizes at once, contradictions when the profile is added, by a number below 0."""
    if version == "real":
        trt: Any = pytest.importorskip("tensorrt_rtx", reason="the fakes are held against it")
    else:
        trt = fake_tensorrt(version, FakeCuda())
    builder = trt.Builder(log_of(trt).logger)
    config = builder.create_builder_config()
    for shapes, number in ((((3,), (1,), (2,)), -1), (((1, 2), (1,), (2,)), -1), (((1,),) * 3, 0)):
        profile = builder.create_optimization_profile()
        profile.set_shape("x", *shapes)
        assert config.add_optimization_profile(profile) == number
    with pytest.raises(RuntimeError, match="Shape provided for min is inconsistent"):
        builder.create_optimization_profile().set_shape("x", (-1,), (1,), (2,))


@pytest.fixture
def lean() -> ModuleType:
    return pytest.importorskip("tensorrt_lean_bindings", reason="the real lean runtime is tested")


def test_the_real_lean_runtime_is_loaded_and_logs_through_ours(lean: Any) -> None:
    library = load_tensorrt(LEAN)
    assert (library.module, library.name) == (lean, "tensorrt_lean")
    log = TensorRtLog(lean)
    mark = log.mark()
    log.logger.log(lean.ILogger.ERROR, "an error")
    assert log.since(mark) == "an error"


def test_what_a_plan_asks_of_an_engine_is_there_in_the_real_classes(lean: Any) -> None:
    for kind, names in {
        "ICudaEngine": (
            *("create_execution_context", "get_device_memory_size_for_profile_v2", "name"),
            *("get_tensor_dtype", "get_tensor_location", "get_tensor_mode", "get_tensor_name"),
            *("get_tensor_profile_shape", "is_shape_inference_io", "num_io_tensors"),
            "num_optimization_profiles",
        ),
        "IExecutionContext": (
            *("execute_async_v3", "get_tensor_shape", "set_device_memory", "set_input_shape"),
            *("set_optimization_profile_async", "set_tensor_address"),
        ),
        "Runtime": ("deserialize_cuda_engine", "engine_host_code_allowed"),
    }.items():
        missing = [name for name in names if not hasattr(getattr(lean, kind), name)]
        assert not missing, f"{kind}: {missing}"
    assert lean.ExecutionContextAllocationStrategy.USER_MANAGED is not None
