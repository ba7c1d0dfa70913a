"""CUDA through pycuda, which knows no graphs.

pycuda keeps a stack of contexts in each thread and aborts the process when a thread ends with one
on it. So each call here puts the GPU's primary context there, which is also TensorRT's, and takes
it away again. Between the calls TensorRT then falls back to GPU 0, so GPU 0 alone can be had.
"""

from __future__ import annotations

import ctypes
import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from runtime.errors import EngineError

_STREAM_NON_BLOCKING = 1


class PyCuda:
    """A `runtime.engines.cuda.Cuda` of pycuda.

    Raises:
        ImportError: if it is not installed, or finds no driver.
    """

    has_graphs = False

    def __init__(self) -> None:
        self._driver: Any = importlib.import_module("pycuda.driver")
        self.name = f"pycuda {importlib.import_module('pycuda').VERSION_TEXT}"
        self._context: Any = None
        # What pycuda returns are owners, which give their resource back when they are forgotten.
        self._owners: dict[int, Any] = {}
        self._lock = threading.Lock()

    def device_count(self) -> int:
        """As `Cuda.device_count`."""
        with self._checked("cuInit"):
            self._driver.init()
            return int(self._driver.Device.count())

    def driver_version(self) -> str:
        """As `Cuda.driver_version`."""
        with self._checked("cuDriverGetVersion"):
            number = int(self._driver.get_driver_version())
        return f"{number // 1000}.{number % 1000 // 10}"

    def device_name(self, device_id: int) -> str:
        """As `Cuda.device_name`."""
        with self._checked("cuDeviceGetName"):
            return str(self._driver.Device(device_id).name())

    def compute_capability(self, device_id: int) -> str:
        """As `Cuda.compute_capability`."""
        with self._checked("cuDeviceGetAttribute"):
            major, minor = self._driver.Device(device_id).compute_capability()
        return f"{major}.{minor}"

    def select_device(self, device_id: int) -> None:
        """As `Cuda.select_device`; number 0 only."""
        if device_id != 0:
            raise EngineError(
                f"with pycuda only GPU 0 can be used: expected device_id 0, got {device_id}; use "
                "cuda-python, or set CUDA_VISIBLE_DEVICES"
            )
        with self._checked("cuDevicePrimaryCtxRetain"), self._lock:
            if self._context is None:
                self._context = self._driver.Device(device_id).retain_primary_context()

    def memory_info(self) -> tuple[int, int]:
        """As `Cuda.memory_info`."""
        with self._checked("cuMemGetInfo"):
            free, total = self._driver.mem_get_info()
        return int(free), int(total)

    def malloc(self, nbytes: int) -> int:
        """As `Cuda.malloc`."""
        with self._checked("cuMemAlloc"):
            return self._keep(owner := self._driver.mem_alloc(nbytes), int(owner))

    def free(self, address: int) -> None:
        """As `Cuda.free`."""
        with self._checked("cuMemFree"):
            self._forget(address).free()

    def host_alloc(self, nbytes: int) -> int:
        """As `Cuda.host_alloc`."""
        with self._checked("cuMemHostAlloc"):
            array = self._driver.pagelocked_empty(nbytes, np.uint8)
        return self._keep(array, int(array.ctypes.data))

    def host_free(self, address: int) -> None:
        """As `Cuda.host_free`."""
        with self._checked("cuMemFreeHost"):
            self._forget(address).base.free()

    def copy_to_device(self, device: int, host: int, nbytes: int, stream: int) -> None:
        """As `Cuda.copy_to_device`."""
        with self._checked("cuMemcpyHtoDAsync"):
            self._driver.memcpy_htod_async(device, _bytes_at(host, nbytes), self._owner(stream))

    def copy_to_host(self, host: int, device: int, nbytes: int, stream: int) -> None:
        """As `Cuda.copy_to_host`."""
        with self._checked("cuMemcpyDtoHAsync"):
            self._driver.memcpy_dtoh_async(_bytes_at(host, nbytes), device, self._owner(stream))

    def create_stream(self) -> int:
        """As `Cuda.create_stream`."""
        with self._checked("cuStreamCreate"):
            return self._keep(owner := self._driver.Stream(_STREAM_NON_BLOCKING), owner.handle)

    def destroy_stream(self, stream: int) -> None:
        """As `Cuda.destroy_stream`; pycuda destroys what nobody holds."""
        with self._checked("cuStreamDestroy"):
            self._forget(stream)

    def synchronize_stream(self, stream: int) -> None:
        """As `Cuda.synchronize_stream`."""
        with self._checked("cuStreamSynchronize"):
            self._owner(stream).synchronize()

    def create_event(self) -> int:
        """As `Cuda.create_event`."""
        with self._checked("cuEventCreate"):
            return self._keep(owner := self._driver.Event(), id(owner))

    def destroy_event(self, event: int) -> None:
        """As `Cuda.destroy_event`; pycuda destroys what nobody holds."""
        with self._checked("cuEventDestroy"):
            self._forget(event)

    def record_event(self, event: int, stream: int) -> None:
        """As `Cuda.record_event`."""
        with self._checked("cuEventRecord"):
            self._owner(event).record(self._owner(stream))

    def elapsed_ms(self, start: int, end: int) -> float:
        """As `Cuda.elapsed_ms`."""
        with self._checked("cuEventElapsedTime"):
            return float(self._owner(end).time_since(self._owner(start)))

    def begin_capture(self, stream: int) -> None:
        """Not to be had."""
        raise _no_graphs()

    def end_capture(self, stream: int) -> int:
        """Not to be had."""
        raise _no_graphs()

    def instantiate_graph(self, graph: int) -> int:
        """Not to be had."""
        raise _no_graphs()

    def launch_graph(self, executable: int, stream: int) -> None:
        """Not to be had."""
        raise _no_graphs()

    def destroy_graph(self, graph: int) -> None:
        """Not to be had."""
        raise _no_graphs()

    def destroy_executable(self, executable: int) -> None:
        """Not to be had."""
        raise _no_graphs()

    def _keep(self, owner: Any, handle: int) -> int:
        with self._lock:
            self._owners[handle] = owner
        return handle

    def _owner(self, handle: int) -> Any:
        with self._lock:
            return self._owners[handle]

    def _forget(self, handle: int) -> Any:
        with self._lock:
            return self._owners.pop(handle)

    @contextmanager
    def _checked(self, call: str) -> Iterator[None]:
        """The context is there meanwhile; pycuda raises where CUDA reports a failure."""
        context = self._context
        try:
            if context is not None:
                context.push()
            try:
                yield
            finally:
                if context is not None:
                    self._driver.Context.pop()
        except self._driver.Error as error:
            raise EngineError(f"{call} failed: {' '.join(str(error).split())}") from error


def _bytes_at(address: int, nbytes: int) -> Any:
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))


def _no_graphs() -> EngineError:
    return EngineError("pycuda cannot capture graphs; use cuda-python for them")
