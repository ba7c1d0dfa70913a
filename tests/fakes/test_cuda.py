"""The fake GPU notices what a real one would answer with wrong numbers or a crash."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
import pytest

from runtime.errors import EngineError
from tests.fakes.cuda import CudaFault, FakeCuda, Operation


def host_view(address: int, nbytes: int) -> Any:
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def stream(cuda: FakeCuda) -> int:
    return cuda.create_stream()


def test_copies_are_done_when_they_are_waited_for(cuda: FakeCuda, stream: int) -> None:
    device, host = cuda.malloc(16), cuda.host_alloc(16)
    view = host_view(host, 16)
    view[:] = 7
    cuda.copy_to_device(device, host, 16, stream)
    cuda.synchronize_stream(stream)
    view[:] = 0
    cuda.copy_to_host(host, device, 16, stream)
    assert (view == 0xFF).all()
    cuda.synchronize_stream(stream)
    assert (view == 7).all()


def test_a_host_buffer_changed_too_early(cuda: FakeCuda, stream: int) -> None:
    device, host = cuda.malloc(16), cuda.host_alloc(16)
    cuda.copy_to_device(device, host, 16, stream)
    host_view(host, 16)[3] = 1
    with pytest.raises(CudaFault, match="changed before its copy was done"):
        cuda.synchronize_stream(stream)


def test_freed_memory(cuda: FakeCuda, stream: int) -> None:
    device, host = cuda.malloc(16), cuda.host_alloc(16)
    cuda.free(device)
    for call in (
        lambda: cuda.free(device),
        lambda: cuda.copy_to_device(device, host, 16, stream),
        lambda: cuda.device_bytes(device, 1),
    ):
        with pytest.raises(CudaFault, match="which was freed"):
            call()
    cuda.host_free(host)
    assert (host_view(host, 16) == 0xDD).all()
    with pytest.raises(CudaFault, match=r"host_free of .* which was freed"):
        cuda.host_free(host)
    with pytest.raises(CudaFault, match="which never was"):
        cuda.free(3)


def test_beyond_the_end(cuda: FakeCuda, stream: int) -> None:
    device, host = cuda.malloc(16), cuda.host_alloc(32)
    with pytest.raises(CudaFault, match="32 bytes from byte 0 of an allocation of 16"):
        cuda.copy_to_device(device, host, 32, stream)
    with pytest.raises(CudaFault, match="of an allocation of 16"):
        cuda.copy_to_device(device + 8, host, 9, stream)


def test_the_default_stream_is_refused(cuda: FakeCuda) -> None:
    with pytest.raises(CudaFault, match="no stream, or the default one"):
        cuda.synchronize_stream(0)


def test_two_streams_on_one_buffer(cuda: FakeCuda, stream: int) -> None:
    device, host, other = cuda.malloc(16), cuda.host_alloc(16), cuda.create_stream()
    cuda.copy_to_device(device, host, 16, stream)
    with pytest.raises(CudaFault, match="two streams"):
        cuda.copy_to_host(host, device, 16, other)
    cuda.synchronize_stream(stream)
    cuda.copy_to_host(host, device, 16, other)


def test_a_graph_is_noted_and_replayed(cuda: FakeCuda, stream: int) -> None:
    device, host = cuda.malloc(16), cuda.host_alloc(16)
    view, ran = host_view(host, 16), []
    cuda.begin_capture(stream)
    cuda.copy_to_device(device, host, 16, stream)
    cuda.put(stream, Operation(lambda: ran.append(1)))
    executable = cuda.instantiate_graph(graph := cuda.end_capture(stream))
    cuda.destroy_graph(graph)
    cuda.synchronize_stream(stream)
    assert ran == []
    for value in (1, 2):
        view[:] = value
        cuda.launch_graph(executable, stream)
        cuda.synchronize_stream(stream)
        assert (cuda.device_bytes(device, 16)[0] == value).all()
    assert ran == [1, 1]
    cuda.launch_graph(executable, stream)
    cuda._device_memory.pop(device)
    with pytest.raises(CudaFault):
        cuda.synchronize_stream(stream)


@pytest.mark.parametrize("call", ["malloc", "host_alloc", "synchronize_stream", "create_stream"])
def test_what_is_not_allowed_spoils_a_capture(cuda: FakeCuda, stream: int, call: str) -> None:
    arguments = {"create_stream": (), "synchronize_stream": (stream,)}.get(call, (8,))
    cuda.begin_capture(stream)
    with pytest.raises(EngineError, match="StreamCaptureUnsupported"):
        getattr(cuda, call)(*arguments)
    with pytest.raises(EngineError, match=f"Invalidated.*{call} while capturing"):
        cuda.end_capture(stream)
    cuda.synchronize_stream(stream)


def test_other_threads_do_not_spoil_a_capture(cuda: FakeCuda, stream: int) -> None:
    cuda.begin_capture(stream)
    thread = threading.Thread(target=lambda: cuda.malloc(8))
    thread.start()
    thread.join()
    assert cuda.end_capture(stream)


def test_events_keep_the_fakes_time(cuda: FakeCuda, stream: int) -> None:
    start, end = cuda.create_event(), cuda.create_event()
    cuda.record_event(start, stream)
    cuda.put(stream, Operation(lambda: None, duration_ms=2.0))
    cuda.record_event(end, stream)
    with pytest.raises(EngineError, match="NotReady"):
        cuda.elapsed_ms(start, end)
    cuda.synchronize_stream(stream)
    assert cuda.elapsed_ms(start, end) == 2.0


def test_leaks_are_listed(cuda: FakeCuda, stream: int) -> None:
    cuda.malloc(8)
    cuda.create_event()
    assert cuda.leaks == ["1 x device memory", "1 x stream", "1 x event"]


def test_a_thread_selects_its_gpu() -> None:
    cuda = FakeCuda(devices=2)
    with pytest.raises(CudaFault, match="has not selected its GPU"):
        cuda.malloc(8)
    cuda.select_device(1)
    assert cuda.malloc(8)
    with pytest.raises(EngineError, match="InvalidDevice"):
        cuda.select_device(2)


def test_memory_runs_out() -> None:
    cuda = FakeCuda(memory_bytes=100)
    cuda.malloc(60)
    assert cuda.memory_info() == (40, 100)
    with pytest.raises(EngineError, match="out of memory"):
        cuda.malloc(60)
