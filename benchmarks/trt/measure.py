"""Runs an engine over and over in streams of its own and takes the times."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.trt.report import Measurement, Query
from runtime.engines.cuda import Cuda
from runtime.engines.tensorrt.lane import Lane
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.engines.tensorrt.profiles import profile_of
from runtime.engines.tensors import Shapes

_RUNS_TO_CAPTURE = 3
"""Untimed runs after which a CUDA graph is replayed, if there is one at all."""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Args:
        shapes: of every input.
        warm_up_ms: at least so long before anything counts.
        duration_s: at least so long after that.
        iterations: at least so many queries in each stream.
        use_graphs: replay a CUDA graph, where it can be captured.
        transfers: whether inputs and outputs are copied in each query.
        streams: worked at the same time, each with a context, buffers and a thread of its own.
    """

    shapes: Shapes
    warm_up_ms: float = 200.0
    duration_s: float = 3.0
    iterations: int = 10
    use_graphs: bool = False
    transfers: bool = True
    streams: int = 1


@dataclass
class _Taken:
    queries: list[Query]
    warm_up_queries: int = 0
    warm_up_ms: float = 0.0
    start_s: float = 0.0
    end_s: float = 0.0


class _Stream:
    """One lane with the events around its copies and its run."""

    def __init__(self, plan: TensorRtPlan, settings: Settings) -> None:
        self._cuda: Cuda = plan.cuda
        self._settings = settings
        with ExitStack() as stack:
            self.lane = Lane(plan, settings.use_graphs)
            stack.callback(self.lane.close)
            self._events = []
            for _ in range(5):
                event = self._cuda.create_event()
                stack.callback(self._cuda.destroy_event, event)
                self._events.append(event)
            self._held = stack.pop_all()

    def get_ready(self) -> None:
        """Fill the inputs with noise, and capture what is to be captured."""
        lane, rng = self.lane, np.random.default_rng(0)
        for view in lane.prepare(self._settings.shapes).values():
            if view.dtype == np.uint8:
                view[...] = rng.integers(0, 256, view.shape, dtype=np.uint8)
            else:
                view[...] = 2**15  # a size beyond any: the whole of each sample is content
        lane.upload()
        for _ in range(_RUNS_TO_CAPTURE if self._settings.use_graphs else 1):
            lane.compute()
            lane.synchronize()
        self._cuda.record_event(self._events[0], lane.stream)
        lane.synchronize()

    def run(self, origin_s: float) -> Query:
        """One query, from start to end.

        Args:
            origin_s: of `time.perf_counter`, where host times begin.
        """
        origin, *between = self._events
        lane, cuda, transfers = self.lane, self._cuda, self._settings.transfers
        cuda.record_event(between[0], lane.stream)
        if transfers:
            lane.upload()
        cuda.record_event(between[1], lane.stream)
        start_s = time.perf_counter()
        lane.compute()
        end_s = time.perf_counter()
        cuda.record_event(between[2], lane.stream)
        if transfers:
            lane.download()
        cuda.record_event(between[3], lane.stream)
        lane.synchronize()
        # Between neighbours: a time since the origin has steps of 4 us after a minute.
        up, run, down = (cuda.elapsed_ms(*pair) for pair in pairwise(between))
        h2d = cuda.elapsed_ms(origin, between[0])
        if not transfers:
            h2d, up, down = h2d + up, 0.0, 0.0
        compute = h2d + up
        d2h, end = compute + run, compute + run + down
        return Query(
            enqueue_start=(start_s - origin_s) * 1000,
            enqueue_end=(end_s - origin_s) * 1000,
            h2d_start=h2d,
            h2d_end=compute,
            compute_start=compute,
            compute_end=d2h,
            d2h_start=d2h,
            d2h_end=end,
        )

    def close(self) -> None:
        """Give everything back."""
        self._held.close()


def measure(plan: TensorRtPlan, settings: Settings) -> tuple[Measurement, bool]:
    """Time an engine.

    Args:
        plan: open.
        settings: how.

    Returns:
        what was measured, and whether CUDA graphs were replayed.

    Raises:
        EngineError: if no profile holds the shape, or the engine fails.
    """
    profile_of(settings.shapes, plan.sidecar.profiles, str(plan.path))  # refused here, if at all
    with ExitStack() as stack:
        streams = []
        for _ in range(settings.streams):
            stream = _Stream(plan, settings)
            stack.callback(stream.close)
            streams.append(stream)
        for stream in streams:
            stream.get_ready()
        taken = _run_all(plan, streams, settings)
        has_graphs = all(stream.lane.has_graphs for stream in streams)
    queries = sorted(
        (query for stream in taken for query in stream.queries),
        key=lambda query: query.enqueue_start,
    )
    start_s, end_s = min(stream.start_s for stream in taken), max(stream.end_s for stream in taken)
    return Measurement(
        queries,
        wall_ms=(end_s - start_s) * 1000,
        warm_up_queries=sum(stream.warm_up_queries for stream in taken),
        warm_up_ms=max(stream.warm_up_ms for stream in taken),
    ), has_graphs


def _run_all(plan: TensorRtPlan, streams: list[_Stream], settings: Settings) -> list[_Taken]:
    """Each stream in a thread of its own; the first error of any of them is raised."""
    taken = [_Taken([]) for _ in streams]
    errors: list[BaseException] = []
    stop = threading.Event()
    origin_s = time.perf_counter()

    def work(stream: _Stream, mine: _Taken) -> None:
        try:
            plan.cuda.select_device(plan.device_id)
            _run(stream, mine, settings, origin_s, stop)
        except BaseException as error:  # raised again in the thread that waits for this one
            errors.append(error)
            stop.set()

    threads = [
        threading.Thread(target=work, args=pair) for pair in zip(streams, taken, strict=True)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:  # also when somebody interrupts: nothing may be closed under a running thread
        stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if errors:
        raise errors[0]
    return taken


def _run(
    stream: _Stream, mine: _Taken, settings: Settings, origin_s: float, stop: threading.Event
) -> None:
    start_s = time.perf_counter()
    while not stop.is_set() and (time.perf_counter() - start_s) * 1000 < settings.warm_up_ms:
        stream.run(origin_s)
        mine.warm_up_queries += 1
    mine.start_s = time.perf_counter()
    mine.warm_up_ms = (mine.start_s - start_s) * 1000
    until_s = mine.start_s + settings.duration_s
    while len(mine.queries) < settings.iterations or time.perf_counter() < until_s:
        if stop.is_set():
            break
        mine.queries.append(stream.run(origin_s))
    mine.end_s = time.perf_counter()
