"""The real cuda-python without a driver, and its functions replaced by ones that answer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.engines.cuda import WAIT_VARIABLE, Cuda
from runtime.engines.cuda.cuda_python import CudaPython
from runtime.errors import EngineError

bindings = pytest.importorskip("cuda.bindings.runtime", reason="it is tested here")

CALLS: dict[str, tuple[int, ...]] = {
    "device_count": (),
    "device_name": (0,),
    "compute_capability": (0,),
    "select_device": (0,),
    "memory_info": (),
    "malloc": (64,),
    "free": (64,),
    "host_alloc": (64,),
    "host_free": (64,),
    "copy_to_device": (64, 64, 8, 1),
    "copy_to_host": (64, 64, 8, 1),
    "create_stream": (),
    "destroy_stream": (1,),
    "synchronize_stream": (1,),
    "create_event": (),
    "destroy_event": (1,),
    "record_event": (1, 1),
    "elapsed_ms": (1, 1),
    "begin_capture": (1,),
    "end_capture": (1,),
    "instantiate_graph": (1,),
    "launch_graph": (1, 1),
    "destroy_graph": (1,),
    "destroy_executable": (1,),
}


def test_every_call_of_the_protocol_is_there() -> None:
    wanted = {
        name
        for name, member in inspect.getmembers(Cuda, inspect.isfunction)
        if not name.startswith("_")
    }
    assert wanted == {*CALLS, "driver_version"}
    for name in wanted:
        ours = inspect.signature(getattr(CudaPython, name))
        assert ours == inspect.signature(getattr(Cuda, name))


@pytest.mark.parametrize("name", sorted(CALLS))
def test_without_a_driver_every_call_is_an_error(name: str) -> None:
    """The real bindings take our arguments, and their answer is noticed."""
    if int(bindings.cudaGetDeviceCount()[0]) == 0:
        pytest.skip("there is a driver, whose absence is tested here")
    with pytest.raises(EngineError, match=r"^cuda\w+ failed: cudaErrorInsufficientDriver \(35\)"):
        getattr(CudaPython(), name)(*CALLS[name])


class Answers:
    """A `cuda.bindings.runtime` whose functions answer what the test says, else mere success."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.called: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        if not hasattr(bindings, name):
            raise AttributeError(name)
        real = getattr(bindings, name)
        if not callable(real) or isinstance(real, type):
            return real

        def answer(*arguments: Any) -> tuple[Any, ...]:
            self.called.append((name, *arguments))
            said: tuple[Any, ...] = self.answers.get(name, ())
            is_failure = said and isinstance(said[0], bindings.cudaError_t)
            return said if is_failure else (bindings.cudaError_t.cudaSuccess, *said)

        return answer


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def make(**answers: Any) -> tuple[CudaPython, Answers]:
        cuda, functions = CudaPython(), Answers(**answers)
        monkeypatch.setattr(cuda, "_rt", functions)
        return cuda, functions

    yield make


def test_values_are_plain(answering: Any) -> None:
    cuda, functions = answering(
        cudaGetDeviceCount=(2,),
        cudaDriverGetVersion=(12090,),
        cudaGetDeviceProperties=(SimpleNamespace(name=b"NVIDIA L4"),),
        cudaDeviceGetAttribute=(8,),
        cudaMemGetInfo=(10, 20),
        cudaMalloc=(4096,),
        cudaHostAlloc=(8192,),
        cudaStreamCreateWithFlags=(bindings.cudaStream_t(7),),
        cudaEventElapsedTime=(1.5,),
        cudaStreamEndCapture=(bindings.cudaGraph_t(9),),
        cudaGraphInstantiate=(bindings.cudaGraphExec_t(11),),
    )
    assert cuda.device_count() == 2
    assert cuda.driver_version() == "12.9"
    assert cuda.device_name(0) == "NVIDIA L4"
    assert cuda.compute_capability(0) == "8.8"
    assert cuda.memory_info() == (10, 20)
    values = (cuda.malloc(1), cuda.host_alloc(1), cuda.create_stream(), cuda.end_capture(7))
    assert values == (4096, 8192, 7, 9) and all(type(value) is int for value in values)
    assert cuda.instantiate_graph(9) == 11
    assert cuda.elapsed_ms(1, 2) == 1.5
    assert ("cudaStreamCreateWithFlags", bindings.cudaStreamNonBlocking) in functions.called


def test_copies_say_their_direction(answering: Any) -> None:
    cuda, functions = answering()
    cuda.copy_to_device(1, 2, 3, 4)
    cuda.copy_to_host(5, 6, 7, 8)
    kind = bindings.cudaMemcpyKind
    assert functions.called == [
        ("cudaMemcpyAsync", 1, 2, 3, kind.cudaMemcpyHostToDevice, 4),
        ("cudaMemcpyAsync", 5, 6, 7, kind.cudaMemcpyDeviceToHost, 8),
    ]


def test_a_capture_is_this_threads_own(answering: Any) -> None:
    cuda, functions = answering()
    cuda.begin_capture(3)
    mode = bindings.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
    assert functions.called == [("cudaStreamBeginCapture", 3, mode)]


def test_a_refused_capture_is_not_left_for_others_to_find(answering: Any) -> None:
    invalidated = bindings.cudaError_t.cudaErrorStreamCaptureInvalidated
    cuda, functions = answering(
        cudaStreamEndCapture=(invalidated, None),
        cudaGetErrorName=(b"cudaErrorStreamCaptureInvalidated",),
        cudaGetErrorString=(b"operation failed",),
    )
    with pytest.raises(EngineError, match=r"Invalidated \(901\): operation failed"):
        cuda.end_capture(3)
    assert functions.called[-1] == ("cudaGetLastError",)


def test_an_error_that_is_told_is_not_left_for_others_to_find(answering: Any) -> None:
    """After memory that was not there, going on with other memory, TensorRT's run is no failure."""
    cuda, functions = answering(
        cudaHostAlloc=(bindings.cudaError_t.cudaErrorMemoryAllocation, None),
        cudaGetErrorName=(b"cudaErrorMemoryAllocation",),
        cudaGetErrorString=(b"out of memory",),
    )
    with pytest.raises(EngineError, match=r"cudaHostAlloc failed: .*\(2\): out of memory"):
        cuda.host_alloc(1 << 40)
    assert functions.called[-1] == ("cudaGetLastError",)


@pytest.mark.parametrize("value", ["block", "", None])
def test_a_thread_may_sleep_until_the_gpu_is_done(
    answering: Any, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(WAIT_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(WAIT_VARIABLE, value)
    cuda, functions = answering()
    for _ in range(2):
        cuda.select_device(0)
    flags = ("cudaSetDeviceFlags", bindings.cudaDeviceScheduleBlockingSync)
    device = ("cudaSetDevice", 0)
    # Once, after the device was chosen: they are the chosen device's.
    assert functions.called == [device, *([flags] if value == "block" else []), device]


def test_a_library_that_cannot_be_loaded_is_an_engine_error(answering: Any) -> None:
    cuda, functions = answering()

    def raises(*arguments: Any) -> None:
        raise RuntimeError("libcudart\nnot found")

    functions.cudaMalloc = raises
    with pytest.raises(EngineError, match="cudaMalloc failed: libcudart not found"):
        cuda.malloc(4)


def test_older_releases_have_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    monkeypatch.setitem(sys.modules, "cuda.cudart", bindings)
    assert CudaPython().name.startswith("cuda-python ")
    monkeypatch.setitem(sys.modules, "cuda.cudart", None)
    with pytest.raises(ImportError, match=r"cuda\.bindings\.runtime"):
        CudaPython()
