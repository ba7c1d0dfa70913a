"""The few calls of CUDA that a session makes, behind one Protocol; two packages provide them.

Addresses and handles are plain integers, as TensorRT takes them. Every call raises `EngineError`
when CUDA reports a failure. Nothing of CUDA is imported until `open_cuda` is called.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

from runtime.errors import EngineError

PROVIDERS = ("cuda-python", "pycuda")
PROVIDER_VARIABLE = "DISTILREC_CUDA"
"""Environment variable that names the one of `PROVIDERS` to use."""
WAIT_VARIABLE = "DISTILREC_CUDA_WAIT"
"""Environment variable: `block` lets a thread sleep until the GPU is done. CUDA's own way, to ask
again and again, takes a core from decoding where there are only two to four."""


class Cuda(Protocol):
    """CUDA as a session sees it. Any thread may call it, after `select_device` in that thread."""

    @property
    def name(self) -> str:
        """Package and version."""

    @property
    def has_graphs(self) -> bool:
        """Whether streams can be captured into graphs."""

    def device_count(self) -> int:
        """How many GPUs there are; the first call of all, it finds out about the driver."""

    def driver_version(self) -> str:
        """The newest CUDA version that the driver supports, e.g. `13.0`."""

    def device_name(self, device_id: int) -> str:
        """Name of a GPU."""

    def compute_capability(self, device_id: int) -> str:
        """Compute capability of a GPU, e.g. `8.6`."""

    def select_device(self, device_id: int) -> None:
        """Make a GPU the calling thread's own."""

    def memory_info(self) -> tuple[int, int]:
        """Free and total memory of the GPU in bytes."""

    def malloc(self, nbytes: int) -> int:
        """Address of new memory on the GPU."""

    def free(self, address: int) -> None:
        """Give memory of `malloc` back."""

    def host_alloc(self, nbytes: int) -> int:
        """Address of new page-locked memory of the host."""

    def host_free(self, address: int) -> None:
        """Give memory of `host_alloc` back."""

    def copy_to_device(self, device: int, host: int, nbytes: int, stream: int) -> None:
        """Start copying page-locked memory to the GPU; it must stay as it is until that is done."""

    def copy_to_host(self, host: int, device: int, nbytes: int, stream: int) -> None:
        """Start copying from the GPU to page-locked memory."""

    def create_stream(self) -> int:
        """A stream that does not wait for the default one."""

    def destroy_stream(self, stream: int) -> None:
        """Let go of a stream."""

    def synchronize_stream(self, stream: int) -> None:
        """Wait until everything put into a stream is done."""

    def create_event(self) -> int:
        """An event that keeps the time."""

    def destroy_event(self, event: int) -> None:
        """Let go of an event."""

    def record_event(self, event: int, stream: int) -> None:
        """Put an event into a stream."""

    def elapsed_ms(self, start: int, end: int) -> float:
        """Milliseconds between two events that have both passed."""

    def begin_capture(self, stream: int) -> None:
        """From now on a stream's work, put there by this thread, is noted instead of done."""

    def end_capture(self, stream: int) -> int:
        """A graph of what was noted; raises when something in between could not be."""

    def instantiate_graph(self, graph: int) -> int:
        """An executable of a graph."""

    def launch_graph(self, executable: int, stream: int) -> None:
        """Put a graph's work into a stream."""

    def destroy_graph(self, graph: int) -> None:
        """Let go of a graph; its executables stay."""

    def destroy_executable(self, executable: int) -> None:
        """Let go of an executable."""


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Args:
        device_id: its number, from 0.
        name: as the driver says it.
        compute_capability: e.g. `8.6`.
        driver_version: the newest CUDA version that the driver supports.
    """

    device_id: int
    name: str
    compute_capability: str
    driver_version: str


def open_cuda(provider: str | None = None) -> Cuda:
    """CUDA through one of the packages that are installed; needs no driver yet.

    Args:
        provider: one of `PROVIDERS`; when None, what the environment variable DISTILREC_CUDA
            names, else cuda-python or, where that is missing, pycuda.

    Raises:
        EngineError: if the package is not installed.
    """
    asked = provider or os.environ.get(PROVIDER_VARIABLE)
    if asked is not None and asked not in PROVIDERS:
        raise EngineError(
            f"unknown CUDA provider: expected one of {', '.join(PROVIDERS)}, got {asked!r}"
        )
    reasons = []
    for name in PROVIDERS if asked is None else (asked,):
        try:
            if name == "pycuda":
                from runtime.engines.cuda.pycuda import PyCuda

                return PyCuda()
            from runtime.engines.cuda.cuda_python import CudaPython

            return CudaPython()
        except ImportError as error:
            reasons.append(f"{name}: {' '.join(str(error).split())}")
    extra = "pycuda" if asked == "pycuda" else "tensorrt"
    raise EngineError(
        f"CUDA cannot be reached from Python ({'; '.join(reasons)}): pip install "
        f"'distilrec[{extra}]'"
    )


def driver_there(cuda: Cuda) -> str:
    """Return the newest CUDA version of the driver, empty where there is none."""
    try:
        newest = cuda.driver_version()
    except EngineError:
        return ""
    return "" if newest.startswith("0.") else newest


def require_gpu(cuda: Cuda, device_id: int = 0) -> Gpu:
    """The GPU of a number, known to be there; makes it the calling thread's own.

    Args:
        cuda: as `open_cuda` gives it.
        device_id: its number, from 0.

    Raises:
        EngineError: one sentence, if there is no driver, no GPU, or none of this number.
    """
    try:
        count = cuda.device_count()
    except EngineError as error:
        raise EngineError(
            f"no NVIDIA GPU can be used here: expected a working NVIDIA driver, got: {error}; "
            f"{_remedy_for(str(error), driver_there(cuda))}"
        ) from error
    if not 0 <= device_id < count:
        raise EngineError(
            f"no NVIDIA GPU of number {device_id}: expected 0 to {count - 1}, the driver shows "
            f"{count}; give another device_id, or check CUDA_VISIBLE_DEVICES"
            if count
            else "no NVIDIA GPU can be used here: the driver shows none; check "
            "CUDA_VISIBLE_DEVICES, or use the .onnx file on the CPU"
        )
    cuda.select_device(device_id)
    return Gpu(
        device_id,
        cuda.device_name(device_id),
        cuda.compute_capability(device_id),
        cuda.driver_version(),
    )


def _remedy_for(error: str, newest: str) -> str:
    """Tell what helps where no GPU answers.

    Args:
        error: as CUDA told it.
        newest: CUDA version of the driver, empty where there is none.
    """
    on_cpu = "or use the .onnx file on the CPU"
    if not newest:
        return f"install the driver (nvidia-smi shows it), {on_cpu}"
    if "InsufficientDriver" in error:
        major = int(newest.partition(".")[0])
        return (
            f"the driver here supports CUDA {newest} and the package wants a later one: pip "
            f"install 'cuda-python<{major + 1}' (and tensorrt-cu{major}), or update the driver"
        )
    if "no CUDA-capable device" in error:
        return f"the driver shows no GPU to this process: check CUDA_VISIBLE_DEVICES, {on_cpu}"
    return f"a driver of CUDA {newest} is there and does not answer: see nvidia-smi, {on_cpu}"
