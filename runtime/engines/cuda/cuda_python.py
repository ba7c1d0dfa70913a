"""CUDA through NVIDIA's cuda-python, 12.6 and later."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from typing import Any

from runtime.engines.cuda import WAIT_VARIABLE
from runtime.errors import EngineError

_HOST_ALLOC_DEFAULT = 0
_EVENT_DEFAULT = 0


class CudaPython:
    """A `runtime.engines.cuda.Cuda` of cuda-python.

    Raises:
        ImportError: if it is not installed.
    """

    has_graphs = True

    def __init__(self) -> None:
        self._rt = _runtime_module()
        self.name = f"cuda-python {_version()}"
        self._waiting: set[int] = set()

    def device_count(self) -> int:
        """As `Cuda.device_count`."""
        return int(self._call("cudaGetDeviceCount"))

    def driver_version(self) -> str:
        """As `Cuda.driver_version`."""
        number = int(self._call("cudaDriverGetVersion"))
        return f"{number // 1000}.{number % 1000 // 10}"

    def device_name(self, device_id: int) -> str:
        """As `Cuda.device_name`."""
        name = self._call("cudaGetDeviceProperties", device_id).name
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)

    def compute_capability(self, device_id: int) -> str:
        """As `Cuda.compute_capability`."""
        attributes = self._rt.cudaDeviceAttr
        major, minor = (
            int(self._call("cudaDeviceGetAttribute", attribute, device_id))
            for attribute in (
                attributes.cudaDevAttrComputeCapabilityMajor,
                attributes.cudaDevAttrComputeCapabilityMinor,
            )
        )
        return f"{major}.{minor}"

    def select_device(self, device_id: int) -> None:
        """Make a GPU the calling thread's own."""
        self._call("cudaSetDevice", device_id)
        if device_id not in self._waiting:
            self._waiting.add(device_id)
            if os.environ.get(WAIT_VARIABLE) == "block":
                self._call("cudaSetDeviceFlags", int(self._rt.cudaDeviceScheduleBlockingSync))

    def memory_info(self) -> tuple[int, int]:
        """As `Cuda.memory_info`."""
        free, total = self._call("cudaMemGetInfo")
        return int(free), int(total)

    def malloc(self, nbytes: int) -> int:
        """As `Cuda.malloc`."""
        return int(self._call("cudaMalloc", nbytes))

    def free(self, address: int) -> None:
        """As `Cuda.free`."""
        self._call("cudaFree", address)

    def host_alloc(self, nbytes: int) -> int:
        """As `Cuda.host_alloc`."""
        return int(self._call("cudaHostAlloc", nbytes, _HOST_ALLOC_DEFAULT))

    def host_free(self, address: int) -> None:
        """As `Cuda.host_free`."""
        self._call("cudaFreeHost", address)

    def copy_to_device(self, device: int, host: int, nbytes: int, stream: int) -> None:
        """As `Cuda.copy_to_device`."""
        kind = self._rt.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", device, host, nbytes, kind, stream)

    def copy_to_host(self, host: int, device: int, nbytes: int, stream: int) -> None:
        """As `Cuda.copy_to_host`."""
        kind = self._rt.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", host, device, nbytes, kind, stream)

    def create_stream(self) -> int:
        """As `Cuda.create_stream`."""
        return int(self._call("cudaStreamCreateWithFlags", int(self._rt.cudaStreamNonBlocking)))

    def destroy_stream(self, stream: int) -> None:
        """As `Cuda.destroy_stream`."""
        self._call("cudaStreamDestroy", stream)

    def synchronize_stream(self, stream: int) -> None:
        """As `Cuda.synchronize_stream`."""
        self._call("cudaStreamSynchronize", stream)

    def create_event(self) -> int:
        """As `Cuda.create_event`."""
        return int(self._call("cudaEventCreateWithFlags", _EVENT_DEFAULT))

    def destroy_event(self, event: int) -> None:
        """As `Cuda.destroy_event`."""
        self._call("cudaEventDestroy", event)

    def record_event(self, event: int, stream: int) -> None:
        """As `Cuda.record_event`."""
        self._call("cudaEventRecord", event, stream)

    def elapsed_ms(self, start: int, end: int) -> float:
        """As `Cuda.elapsed_ms`."""
        return float(self._call("cudaEventElapsedTime", start, end))

    def begin_capture(self, stream: int) -> None:
        """As `Cuda.begin_capture`."""
        # Other threads may allocate meanwhile: only this one's calls concern the capture.
        mode = self._rt.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)

    def end_capture(self, stream: int) -> int:
        """As `Cuda.end_capture`."""
        return int(self._call("cudaStreamEndCapture", stream))

    def instantiate_graph(self, graph: int) -> int:
        """As `Cuda.instantiate_graph`."""
        return int(self._call("cudaGraphInstantiate", graph, 0))

    def launch_graph(self, executable: int, stream: int) -> None:
        """As `Cuda.launch_graph`."""
        self._call("cudaGraphLaunch", executable, stream)

    def destroy_graph(self, graph: int) -> None:
        """As `Cuda.destroy_graph`."""
        self._call("cudaGraphDestroy", graph)

    def destroy_executable(self, executable: int) -> None:
        """As `Cuda.destroy_executable`."""
        self._call("cudaGraphExecDestroy", executable)

    def _call(self, name: str, *arguments: Any) -> Any:
        """The values that a function of the runtime API returns besides success."""
        try:
            status, *values = getattr(self._rt, name)(*arguments)
        except RuntimeError as error:  # a library of CUDA's that cannot be found
            raise EngineError(f"{name} failed: {' '.join(str(error).split())}") from error
        if int(status) != 0:
            said = self._said(status)
            # Whoever asks for the last error next, TensorRT say, would find it and fail for it.
            self._rt.cudaGetLastError()
            raise EngineError(f"{name} failed: {said}")
        return values[0] if len(values) == 1 else tuple(values)

    def _said(self, status: Any) -> str:
        texts = []
        for function in (self._rt.cudaGetErrorName, self._rt.cudaGetErrorString):
            failed, text = function(status)
            if int(failed) == 0:
                texts.append(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)
        return f"{' '.join(texts[:1])} ({int(status)}): {' '.join(texts[1:])}"


def _runtime_module() -> Any:
    """`cuda.bindings.runtime`, called `cuda.cudart` before 12.6.1."""
    try:
        return importlib.import_module("cuda.bindings.runtime")
    except ImportError as error:
        try:
            return importlib.import_module("cuda.cudart")
        except ImportError:
            raise error from None


def _version() -> str:
    for package in ("cuda-bindings", "cuda-python"):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # older releases are one package
    return "of unknown version"
