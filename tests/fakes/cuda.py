"""CUDA in memory: streams are queues that run when they are waited for.

What a GPU would answer with an error is an `EngineError`. What a GPU would answer with wrong
numbers or a crash is a `CudaFault`, which no code catches: use after free, a double free, a copy
beyond the end, a host buffer changed before its copy was done, two streams on one buffer, a
replayed graph whose memory has gone.
"""

from __future__ import annotations

import threading

import numpy as np

from runtime.errors import EngineError
from tests.fakes.cuda_memory import Bytes, CudaFault, FakeMemory
from tests.fakes.cuda_stream import MS_PER_CALL, Operation, Stream

_NOT_YET_COPIED = 0xFF
"""Four 0xFF bytes are NaN and class -1: what is read too early is seen."""
_MS_PER_BYTE = 1e-7


class FakeCuda(FakeMemory):
    """A `runtime.engines.cuda.Cuda` of some GPUs.

    Args:
        devices: how many; 0 is a driver that shows none, None no driver at all.
        capability: compute capability of each.
        graphs: whether streams can be captured.
        memory_bytes: of each GPU.
    """

    name = "fake CUDA 1.0"

    def __init__(
        self,
        devices: int | None = 1,
        capability: str = "8.6",
        graphs: bool = True,
        memory_bytes: int = 2**30,
    ) -> None:
        super().__init__(memory_bytes)
        self.devices, self.capability, self.has_graphs = devices, capability, graphs
        self.calls: list[str] = []
        self.now_ms = 0.0
        self.fail_at: dict[str, int] = {}
        self._streams: dict[int, Stream] = {}
        self._events: dict[int, float | None] = {}
        self._graphs: dict[int, list[Operation]] = {}
        self._executables: dict[int, list[Operation]] = {}
        self._selected = threading.local()

    def device_count(self) -> int:
        self._called("device_count", needs_device=False)
        if self.devices is None:
            raise EngineError("cudaGetDeviceCount failed: cudaErrorInsufficientDriver (35)")
        return self.devices

    def compute_capability(self, device_id: int) -> str:
        return self.capability

    def select_device(self, device_id: int) -> None:
        self._called("select_device", needs_device=False)
        if not 0 <= device_id < (self.devices or 0):
            raise EngineError(f"cudaSetDevice failed: cudaErrorInvalidDevice (101): {device_id}")
        self._selected.device_id = device_id

    def copy_to_device(self, device: int, host: int, nbytes: int, stream: int) -> None:
        with self._lock:
            self._called("copy_to_device")
            source = self._host_bytes(host, nbytes)
            target, first = self._part(self._device_memory, device, nbytes)
            promised: list[Bytes] = []

            def start() -> None:
                promised.append(source.copy())

            def run() -> None:
                self._alive(self._device_memory, first)
                if not np.array_equal(source, promised.pop(0)):
                    raise CudaFault("the host buffer was changed before its copy was done")
                target[:] = source

            self.put(
                stream, Operation(run, frozenset(), frozenset({first}), _duration(nbytes), start)
            )

    def copy_to_host(self, host: int, device: int, nbytes: int, stream: int) -> None:
        with self._lock:
            self._called("copy_to_host")
            target = self._host_bytes(host, nbytes)
            source, first = self._part(self._device_memory, device, nbytes)

            def start() -> None:
                target[:] = _NOT_YET_COPIED

            def run() -> None:
                self._alive(self._device_memory, first)
                target[:] = source

            self.put(
                stream, Operation(run, frozenset({first}), frozenset(), _duration(nbytes), start)
            )

    def create_stream(self) -> int:
        with self._lock:
            self._called("create_stream")
            handle = self._handle(1)
            self._streams[handle] = Stream()
            return handle

    def destroy_stream(self, stream: int) -> None:
        with self._lock:
            self._called("destroy_stream")
            self._run(self._stream(stream))
            del self._streams[stream]

    def synchronize_stream(self, stream: int) -> None:
        with self._lock:
            self._called("synchronize_stream")
            self._run(self._stream(stream))

    def create_event(self) -> int:
        with self._lock:
            self._called("create_event")
            handle = self._handle(1)
            self._events[handle] = None
            return handle

    def destroy_event(self, event: int) -> None:
        with self._lock:
            self._called("destroy_event")
            if event not in self._events:
                raise CudaFault(f"destroy_event of {self._described(event)}")
            del self._events[event]

    def record_event(self, event: int, stream: int) -> None:
        with self._lock:
            self._called("record_event")
            if event not in self._events:
                raise CudaFault("an event that was never made or is gone")

            def run() -> None:
                if event in self._events:  # one may go while it is under way
                    self._events[event] = self.now_ms

            def start() -> None:
                self._events[event] = None

            self.put(stream, Operation(run, duration_ms=0.0, start=start))

    def elapsed_ms(self, start: int, end: int) -> float:
        with self._lock:
            self._called("elapsed_ms")
            first, last = self._events[start], self._events[end]
            if first is None or last is None:
                raise EngineError("cudaEventElapsedTime failed: cudaErrorNotReady (600)")
            return last - first

    def begin_capture(self, stream: int) -> None:
        with self._lock:
            self._called("begin_capture")
            if not self.has_graphs:
                raise EngineError("cudaStreamBeginCapture failed: cudaErrorNotSupported (801)")
            self._stream(stream).captured = []
            self._stream(stream).refusal = ""
            self._stream(stream).capturing_thread = threading.get_ident()

    def end_capture(self, stream: int) -> int:
        with self._lock:
            one = self._stream(stream)
            if one.captured is None:
                raise EngineError("cudaStreamEndCapture failed: cudaErrorIllegalState (401)")
            captured, one.captured = one.captured, None
            self._called("end_capture")
            if one.refusal:
                raise EngineError(
                    f"cudaStreamEndCapture failed: cudaErrorStreamCaptureInvalidated (901): "
                    f"{one.refusal}"
                )
            handle = self._handle(1)
            self._graphs[handle] = captured
            return handle

    def instantiate_graph(self, graph: int) -> int:
        with self._lock:
            self._called("instantiate_graph")
            handle = self._handle(1)
            self._executables[handle] = list(self._graphs[graph])
            return handle

    def launch_graph(self, executable: int, stream: int) -> None:
        with self._lock:
            self._called("launch_graph")
            if executable not in self._executables:
                raise CudaFault("a graph that was never made or is gone")
            for operation in self._executables[executable]:
                self.put(stream, operation)

    def destroy_graph(self, graph: int) -> None:
        with self._lock:
            self._called("destroy_graph")
            del self._graphs[graph]

    def destroy_executable(self, executable: int) -> None:
        with self._lock:
            self._called("destroy_executable")
            del self._executables[executable]

    # What follows is for tests and for the fake TensorRT, not part of the Protocol.

    def put(self, stream: int, operation: Operation) -> None:
        """Let a stream do something later, or note it down when the stream is being captured."""
        with self._lock:
            one = self._stream(stream)
            if one.captured is not None:
                one.captured.append(operation)
                return
            for other in self._streams.values():
                for pending in () if other is one else other.queue:
                    if operation.writes & (pending.reads | pending.writes) or (
                        operation.reads & pending.writes
                    ):
                        raise CudaFault("two streams work on one buffer at the same time")
            operation.start()
            one.queue.append(operation)

    def refuse_capture(self, stream: int, why: str) -> bool:
        """Spoil the capture of a stream; whether there was one."""
        one = self._stream(stream)
        if one.captured is not None:
            one.refusal = one.refusal or why
        return one.captured is not None

    @property
    def was_asked(self) -> bool:
        """Whether anybody has asked for the driver yet."""
        return "device_count" in self.calls

    @property
    def leaks(self) -> list[str]:
        """What was not given back."""
        holders = (
            ("device memory", self._device_memory),
            ("host memory", self._host_memory),
            ("stream", self._streams),
            ("event", self._events),
            ("graph", self._graphs),
            ("executable", self._executables),
        )
        return [f"{len(held)} x {what}" for what, held in holders if held]

    def _called(self, name: str, needs_device: bool = True) -> None:
        self.calls.append(name)
        if needs_device and self.devices and self.devices > 1 and not self._is_selected:
            raise CudaFault(f"{name} in a thread that has not selected its GPU")
        for stream in self._streams.values():
            if (
                stream.captured is not None
                and stream.capturing_thread == threading.get_ident()
                and name not in _ALLOWED_IN_CAPTURE
            ):
                stream.refusal = f"{name} while capturing"
                raise EngineError(f"{name} failed: cudaErrorStreamCaptureUnsupported (900)")
        if name in self.fail_at:
            self.fail_at[name] -= 1
            if self.fail_at[name] < 0:
                raise EngineError(f"{name} failed: cudaErrorUnknown (999): as the test asked for")

    @property
    def _is_selected(self) -> bool:
        return hasattr(self._selected, "device_id")

    def _stream(self, stream: int) -> Stream:
        if stream not in self._streams:
            raise CudaFault(f"{stream:#x} is no stream, or the default one")
        return self._streams[stream]

    def _run_all(self) -> None:
        for stream in list(self._streams.values()):
            self._run(stream)

    def _run(self, stream: Stream) -> None:
        while stream.queue:
            operation = stream.queue.pop(0)
            self.now_ms += operation.duration_ms
            operation.run()


_ALLOWED_IN_CAPTURE = frozenset(
    {"copy_to_device", "copy_to_host", "record_event", "end_capture", "select_device"}
)


def _duration(nbytes: int) -> float:
    return MS_PER_CALL + nbytes * _MS_PER_BYTE
