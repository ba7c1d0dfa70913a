"""pycuda, of which a stand-in with the same names and owners is tested against."""

from __future__ import annotations

import inspect
import sys
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from runtime.engines.cuda import Cuda
from runtime.engines.cuda.buffers import TwinBuffer
from runtime.engines.cuda.pycuda import PyCuda
from runtime.errors import EngineError


class Error(Exception):
    pass


class Stack(threading.local):
    """Contexts of a thread; pycuda aborts when a thread ends with one."""

    depth = 0


STACK = Stack()


def needs_context() -> None:
    if STACK.depth != 1:
        raise Error(f"invalid device context: {STACK.depth} on the stack")


class Context:
    def push(self) -> None:
        STACK.depth += 1

    @staticmethod
    def pop() -> None:
        STACK.depth -= 1


class Device:
    def __init__(self, number: int) -> None:
        self.number = number

    @staticmethod
    def count() -> int:
        return 1

    def name(self) -> str:
        return "NVIDIA L4"

    def compute_capability(self) -> tuple[int, int]:
        return (8, 9)

    def retain_primary_context(self) -> Context:
        return Context()


class Allocation:
    alive = 0

    def __init__(self, nbytes: int) -> None:
        needs_context()
        self.memory = np.zeros(nbytes, np.uint8)
        Allocation.alive += 1

    def __int__(self) -> int:
        return int(self.memory.ctypes.data)

    def free(self) -> None:
        needs_context()
        if self.memory is None:
            raise Error("invalid resource handle")
        self.memory = None  # type: ignore[assignment]
        Allocation.alive -= 1


class Pinned(np.ndarray):
    """An array whose base is an allocation, as pycuda's."""

    base: Any


def pagelocked_empty(shape: int, dtype: type) -> Any:
    allocation = Allocation(shape)

    class Owner:
        ctypes = allocation.memory.ctypes
        base = allocation

    return Owner()


class Stream:
    alive = 0

    def __init__(self, flags: int = 0) -> None:
        needs_context()
        assert flags == 1
        self.handle, self.queue = id(self), []
        Stream.alive += 1

    def synchronize(self) -> None:
        needs_context()
        while self.queue:
            self.queue.pop(0)()

    def __del__(self) -> None:
        Stream.alive -= 1


class Event:
    def __init__(self, flags: int = 0) -> None:
        self.stream: Stream | None = None

    def record(self, stream: Stream) -> None:
        self.stream = stream

    def time_since(self, event: Event) -> float:
        if self.stream is None or event.stream is None:
            raise Error("not recorded")
        return 2.5


def raw(address: int, nbytes: int) -> Any:
    import ctypes

    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))


def memcpy_htod_async(dest: int, src: Any, stream: Stream) -> None:
    needs_context()
    stream.queue.append(lambda: raw(dest, src.nbytes).__setitem__(slice(None), src))


def memcpy_dtoh_async(dest: Any, src: int, stream: Stream) -> None:
    needs_context()
    stream.queue.append(lambda: dest.__setitem__(slice(None), raw(src, dest.nbytes)))


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> PyCuda:
    package, driver = ModuleType("pycuda"), ModuleType("pycuda.driver")
    package.VERSION_TEXT = "2026.1"  # type: ignore[attr-defined]
    package.driver = driver  # type: ignore[attr-defined]
    for name, value in {
        "Error": Error,
        "Context": Context,
        "Device": Device,
        "Stream": Stream,
        "Event": Event,
        "init": lambda: None,
        "get_driver_version": lambda: 13000,
        "mem_get_info": lambda: (needs_context(), (1, 2))[1],
        "mem_alloc": Allocation,
        "pagelocked_empty": pagelocked_empty,
        "memcpy_htod_async": memcpy_htod_async,
        "memcpy_dtoh_async": memcpy_dtoh_async,
    }.items():
        setattr(driver, name, value)
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    return PyCuda()


def test_it_has_the_protocols_calls() -> None:
    for name, member in inspect.getmembers(Cuda, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(PyCuda, name)) == inspect.signature(member)


def test_what_it_tells(cuda: PyCuda) -> None:
    assert (cuda.name, cuda.has_graphs) == ("pycuda 2026.1", False)
    assert (cuda.device_count(), cuda.driver_version()) == (1, "13.0")
    assert (cuda.device_name(0), cuda.compute_capability(0)) == ("NVIDIA L4", "8.9")
    cuda.select_device(0)
    assert cuda.memory_info() == (1, 2)


def test_bytes_go_up_and_down_and_nothing_stays(cuda: PyCuda) -> None:
    cuda.select_device(0)
    first, second = TwinBuffer(cuda), TwinBuffer(cuda)
    first.reserve(300)
    stream = cuda.create_stream()
    sent = first.view(0, (300,), np.uint8)
    sent[:] = np.arange(300) % 251
    first.upload(300, stream)
    cuda.synchronize_stream(stream)
    sent[:] = 0
    first.download(300, stream)
    assert not sent.any()
    cuda.synchronize_stream(stream)
    np.testing.assert_array_equal(sent, np.arange(300) % 251)
    first.close()
    second.close()
    cuda.destroy_stream(stream)
    assert (Allocation.alive, Stream.alive, STACK.depth) == (0, 0, 0)


def test_events(cuda: PyCuda) -> None:
    cuda.select_device(0)
    stream, start, end = cuda.create_stream(), cuda.create_event(), cuda.create_event()
    cuda.record_event(start, stream)
    with pytest.raises(EngineError, match="cuEventElapsedTime failed: not recorded"):
        cuda.elapsed_ms(start, end)
    cuda.record_event(end, stream)
    assert cuda.elapsed_ms(start, end) == 2.5
    for event in (start, end):
        cuda.destroy_event(event)
    cuda.destroy_stream(stream)


def test_every_thread_leaves_its_stack_empty(cuda: PyCuda) -> None:
    cuda.select_device(0)
    depths = []

    def work() -> None:
        cuda.select_device(0)
        address = cuda.malloc(8)
        cuda.free(address)
        with pytest.raises(EngineError):
            cuda.elapsed_ms(cuda.create_event(), cuda.create_event())
        depths.append(STACK.depth)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert depths == [0] and STACK.depth == 0


def test_other_gpus_and_graphs_are_not_to_be_had(cuda: PyCuda) -> None:
    with pytest.raises(EngineError, match="only GPU 0 can be used: expected device_id 0, got 1"):
        cuda.select_device(1)
    for call in (cuda.begin_capture, cuda.end_capture, cuda.instantiate_graph, cuda.destroy_graph):
        with pytest.raises(EngineError, match="pycuda cannot capture graphs"):
            call(1)


def test_a_failure_is_an_engine_error(cuda: PyCuda) -> None:
    with pytest.raises(EngineError, match="cuMemAlloc failed: invalid device context"):
        cuda.malloc(8)  # nothing was selected
