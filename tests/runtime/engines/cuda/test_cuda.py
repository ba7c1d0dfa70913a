"""Which package reaches the GPU, and whether there is one."""

from __future__ import annotations

import sys

import pytest

from runtime.engines.cuda import Gpu, open_cuda, require_gpu
from runtime.errors import EngineError
from tests.fakes.cuda import FakeCuda

CUDA_PYTHON = ("cuda.bindings.runtime", "cuda.cudart")


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)


def test_cuda_python_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cuda.bindings.runtime")
    monkeypatch.delenv("DISTILREC_CUDA", raising=False)
    assert open_cuda().name.startswith("cuda-python ")
    assert open_cuda().has_graphs


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, r"cuda-python: .*; pycuda: .*\): pip install 'distilrec\[tensorrt\]'"),
        ("cuda-python", r"\(cuda-python: .*\): pip install 'distilrec\[tensorrt\]'"),
        ("pycuda", r"\(pycuda: .*\): pip install 'distilrec\[pycuda\]'"),
    ],
)
def test_missing_packages_name_the_extra(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, said: str
) -> None:
    monkeypatch.delenv("DISTILREC_CUDA", raising=False)
    without(monkeypatch, *CUDA_PYTHON, "pycuda", "pycuda.driver")
    with pytest.raises(EngineError, match=said):
        open_cuda(asked)


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "pycuda", "pycuda.driver")
    monkeypatch.setenv("DISTILREC_CUDA", "pycuda")
    with pytest.raises(EngineError, match=r"distilrec\[pycuda\]"):
        open_cuda()
    monkeypatch.setenv("DISTILREC_CUDA", "cupy")
    with pytest.raises(EngineError, match="expected one of cuda-python, pycuda, got 'cupy'"):
        open_cuda()


def test_a_gpu_is_described_and_selected() -> None:
    cuda = FakeCuda(devices=2, capability="8.9")
    assert require_gpu(cuda, 1) == Gpu(1, "Fake GPU 1", "8.9", "13.0")
    assert cuda.calls == ["device_count", "select_device"]


@pytest.mark.parametrize(
    ("devices", "device_id", "said"),
    [
        (None, 0, "expected a working NVIDIA driver, got: cudaGetDeviceCount failed"),
        (0, 0, "the driver shows none; check CUDA_VISIBLE_DEVICES"),
        (1, 1, "no NVIDIA GPU of number 1: expected 0 to 0, the driver shows 1; give another"),
        (1, -1, "no NVIDIA GPU of number -1"),
    ],
)
def test_what_is_missing_is_one_sentence(devices: int | None, device_id: int, said: str) -> None:
    with pytest.raises(EngineError, match=said) as error:
        require_gpu(FakeCuda(devices=devices), device_id)
    assert "\n" not in str(error.value)


def test_a_driver_that_is_too_old_is_told_from_none() -> None:
    """cuda-python 13 on a driver of CUDA 12 reports what it reports without any driver."""
    cuda = FakeCuda(devices=None)
    cuda.driver_version = lambda: "12.4"  # type: ignore[method-assign]
    with pytest.raises(EngineError, match=r"supports CUDA 12\.4 .*'cuda-python<13'.*tensorrt-cu12"):
        require_gpu(cuda)
    cuda.driver_version = lambda: "0.0"  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="install the driver"):
        require_gpu(cuda)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "cudaErrorNoDevice (100): no CUDA-capable device is detected",
            "shows no GPU to this process: check CUDA_VISIBLE_DEVICES",
        ),
        ("cuInit failed: no CUDA-capable device is detected", "check CUDA_VISIBLE_DEVICES"),
        (
            "cudaErrorSystemNotReady (802): system not yet initialized",
            "does not answer: see nvidia",
        ),
        ("cudaErrorInitializationError (3): initialization error", "does not answer"),
    ],
)
def test_a_driver_that_answers_otherwise_is_not_called_too_old(error: str, said: str) -> None:
    """CUDA_VISIBLE_DEVICES= is an error of the first call, not a count of 0."""
    cuda = FakeCuda()

    def fails() -> int:
        raise EngineError(f"cudaGetDeviceCount failed: {error}")

    cuda.device_count = fails  # type: ignore[method-assign]
    with pytest.raises(EngineError, match=said) as raised:
        require_gpu(cuda)
    assert "cuda-python<" not in str(raised.value)
