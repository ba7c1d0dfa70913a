"""CUDA under our buffers and graphs: what has to hold on a real device, and what a call costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from runtime.engines.cuda import Cuda
from runtime.engines.cuda.buffers import TwinBuffer
from runtime.errors import EngineError

_NUM_BYTES = 1 << 20
_NUM_CALLS = 2000
_LONGEST_S = 20


def checks(cuda: Cuda, device_id: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """Name each check; one that fails raises.

    Args:
        cuda: selected device is the calling thread's.
        device_id: number of the GPU.
    """
    yield "bytes go up and come down", lambda: _round_trip(cuda)
    yield "a captured copy replays with what the buffer holds", lambda: _replay(cuda)
    yield "a spoilt capture leaves stream and thread working", lambda: _spoilt(cuda)
    yield "another thread allocates while this one captures", lambda: _beside(cuda, device_id)
    yield "errors are told, and the device works on", lambda: _errors(cuda, device_id)


def microseconds_per_call(cuda: Cuda, device_id: int) -> dict[str, float]:
    """Time Python's way to CUDA, for calls that do next to nothing."""
    stream = cuda.create_stream()
    timed = {}
    for name, call in (
        ("select_device", lambda: cuda.select_device(device_id)),
        ("synchronize_stream", lambda: cuda.synchronize_stream(stream)),
    ):
        begin = time.perf_counter()
        for _ in range(_NUM_CALLS):
            call()
        timed[name] = (time.perf_counter() - begin) / _NUM_CALLS * 1e6
    cuda.destroy_stream(stream)
    return timed


def _round_trip(cuda: Cuda) -> None:
    buffer, stream = TwinBuffer(cuda), cuda.create_stream()
    buffer.reserve(_NUM_BYTES)
    view = buffer.view(0, (_NUM_BYTES,), np.uint8)
    sent = np.random.default_rng(0).integers(0, 256, _NUM_BYTES, dtype=np.uint8)
    view[:] = sent
    buffer.upload(_NUM_BYTES, stream)
    cuda.synchronize_stream(stream)
    view[:] = 0
    buffer.download(_NUM_BYTES, stream)
    cuda.synchronize_stream(stream)
    _require(np.array_equal(view, sent), "other bytes came back")
    buffer.close()
    cuda.destroy_stream(stream)


def _replay(cuda: Cuda) -> None:
    buffer, stream = TwinBuffer(cuda), cuda.create_stream()
    buffer.reserve(4096)
    view = buffer.view(0, (4096,), np.uint8)
    cuda.begin_capture(stream)
    buffer.upload(4096, stream)
    graph = cuda.end_capture(stream)
    executable = cuda.instantiate_graph(graph)
    cuda.destroy_graph(graph)
    for value in (7, 9):
        view[:] = value
        cuda.launch_graph(executable, stream)
        cuda.synchronize_stream(stream)
        view[:] = 0
        buffer.download(4096, stream)
        cuda.synchronize_stream(stream)
        _require(bool((view == value).all()), "the graph copied what was there at its capture")
    cuda.destroy_executable(executable)
    buffer.close()
    cuda.destroy_stream(stream)


def _spoilt(cuda: Cuda) -> None:
    stream = cuda.create_stream()
    cuda.begin_capture(stream)
    for call in (lambda: cuda.synchronize_stream(stream), lambda: cuda.end_capture(stream)):
        try:
            call()
        except EngineError:
            continue
        raise AssertionError("waiting within a capture was no error")
    cuda.synchronize_stream(stream)
    cuda.free(cuda.malloc(256))
    cuda.destroy_stream(stream)


def _beside(cuda: Cuda, device_id: int) -> None:
    """Capture in one thread while another one uses the device."""
    began, done, failures = threading.Event(), threading.Event(), []

    def work() -> None:
        try:
            cuda.select_device(device_id)
            stream = cuda.create_stream()
            began.wait()
            for _ in range(50):
                buffer = TwinBuffer(cuda)
                buffer.reserve(1 << 16)
                buffer.upload(1 << 16, stream)
                cuda.synchronize_stream(stream)
                buffer.close()
            cuda.destroy_stream(stream)
        except EngineError as error:
            failures.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    buffer, stream = TwinBuffer(cuda), cuda.create_stream()
    buffer.reserve(256)
    try:
        cuda.begin_capture(stream)
    finally:
        began.set()  # whatever happens here, nobody waits for it for ever
    done.wait(_LONGEST_S)
    buffer.upload(256, stream)
    graph = cuda.end_capture(stream)
    thread.join(_LONGEST_S)
    _require(not thread.is_alive(), "the other thread does not come back")
    cuda.destroy_graph(graph)
    buffer.close()
    cuda.destroy_stream(stream)
    _require(not failures, f"the other thread failed: {failures[:1]}")


def _errors(cuda: Cuda, device_id: int) -> None:
    for call in (lambda: cuda.malloc(1 << 50), lambda: cuda.select_device(99)):
        try:
            call()
        except EngineError:
            continue
        raise AssertionError("an impossible call was no error")
    cuda.select_device(device_id)
    cuda.free(cuda.malloc(256))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
