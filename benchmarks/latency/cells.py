"""One engine at one shape: the first run, then steady ones, inside the engine and end to end.

The conventions are trtexec's: a warm-up that does not count, then at least so many runs and at
least so long; a run ends when its results are in the host's memory. Copies belong to the engine's
time; decoding and resizing images, normalising and CTC belong to end to end alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.measuring.network_clock import NetworkClock
from runtime.recognition.ctc import decode_best_path
from runtime.recognition.preprocess import Image, batch_from_lines, prepare_line
from runtime.recognition.session import CONTENT_WIDTHS, PIXELS
from runtime.recognition.spec import RecognizerSpec

_SEED = 0


@dataclass(frozen=True)
class Limits:
    """How long to measure one shape.

    Args:
        warm_up_s: before anything counts.
        duration_s: at least so long after that.
        iterations: at least so many runs.
    """

    warm_up_s: float = 0.1
    duration_s: float = 0.4
    iterations: int = 10


@dataclass(frozen=True)
class Cell:
    """Times of one shape, all in ms.

    Args:
        batch, width_px: N and W.
        first_ms: the very first run of this shape, end to end.
        engine_ms: of every steady run, inside the engine.
        end_to_end_ms: of every steady run, from N images in memory to N texts.
    """

    batch: int
    width_px: int
    first_ms: float
    engine_ms: list[float]
    end_to_end_ms: list[float]


class Engine(Protocol):
    """A network under the clock."""

    @property
    def spec(self) -> RecognizerSpec:
        """Of the network."""

    @property
    def description(self) -> str:
        """Engine, version, device and threads."""

    def measure(self, batch: int, width_px: int, limits: Limits) -> Cell:
        """All about one shape."""


def noise_lines(batch: int, width_px: int, spec: RecognizerSpec) -> list[Image]:
    """N images of noise, twice as high as the network's input, that come out W px wide."""
    rng = np.random.default_rng(_SEED)
    shape = (2 * spec.height, 2 * width_px, 3)
    return [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(batch)]


class OnnxEngine:
    """onnxruntime, given the whole batch at once, which the runtime does on a GPU alone.

    Args:
        model: an ONNX file.
        device: `cpu` or `cuda`.
        threads: of the CPU, in one run.
    """

    def __init__(self, model: Path, device: str, threads: int) -> None:
        from runtime.engines.onnxruntime import OnnxRuntimeEngine
        from runtime.recognition.score_session import ScoreSession

        self._session = ScoreSession(OnnxRuntimeEngine(model, device, threads))

    @property
    def spec(self) -> RecognizerSpec:
        """As `Engine.spec`."""
        return self._session.spec

    @property
    def description(self) -> str:
        """As `Engine.description`."""
        return self._session.description

    def measure(self, batch: int, width_px: int, limits: Limits) -> Cell:
        """As `Engine.measure`; the engine's time is that inside `InferenceSession.run`."""
        spec = self.spec
        images = noise_lines(batch, width_px, spec)

        def read() -> None:
            lines = [prepare_line(image, spec) for image in images]
            normal = batch_from_lines(lines, width_px, spec.mean, spec.std)
            decode_best_path(*self._session.run(normal), spec.charset)

        with NetworkClock() as clock:
            first_ms = _milliseconds(read)
            engine_ms, end_to_end_ms = [], []
            for is_counted in _runs(limits):
                before_s = clock.busy_s
                end_to_end = _milliseconds(read)
                if is_counted:
                    end_to_end_ms.append(end_to_end)
                    engine_ms.append((clock.busy_s - before_s) * 1000)
        return Cell(batch, width_px, first_ms, engine_ms, end_to_end_ms)


class PlanEngine:
    """A TensorRT plan on the GPU here.

    Args:
        plan: its sidecar beside it.
    """

    def __init__(self, plan: Path) -> None:
        from runtime.engines.tensorrt.engine import TensorRtEngine
        from runtime.engines.tensorrt.plan import TensorRtPlan
        from runtime.recognition.best_path_session import BestPathSession

        self._plan = TensorRtPlan(plan)
        self._session = BestPathSession(TensorRtEngine(self._plan))

    @property
    def spec(self) -> RecognizerSpec:
        """As `Engine.spec`."""
        return self._session.spec

    @property
    def description(self) -> str:
        """As `Engine.description`."""
        return self._session.description

    def measure(self, batch: int, width_px: int, limits: Limits) -> Cell:
        """As `Engine.measure`; the engine's time is copies and kernels by CUDA's own events."""
        from benchmarks.trt.measure import Settings, measure

        spec = self.spec
        images = noise_lines(batch, width_px, spec)

        def read() -> None:
            lines = [prepare_line(image, spec) for image in images]
            decode_best_path(*self._session.read(lines, width_px), spec.charset)

        first_ms = _milliseconds(read)
        timed = ((_milliseconds(read), is_counted) for is_counted in _runs(limits))
        end_to_end_ms = [milliseconds for milliseconds, is_counted in timed if is_counted]
        settings = Settings(
            {PIXELS: (batch, spec.height, width_px, spec.channels), CONTENT_WIDTHS: (batch,)},
            *(limits.warm_up_s * 1000, limits.duration_s, limits.iterations),
            use_graphs=True,
        )
        measurement, _ = measure(self._plan, settings)
        engine_ms = [query.latency_ms for query in measurement.queries]
        return Cell(batch, width_px, first_ms, engine_ms, end_to_end_ms)


def _milliseconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def _runs(limits: Limits) -> Iterator[bool]:
    """One value for each run to make: whether it counts."""
    start = time.perf_counter()
    while time.perf_counter() - start < limits.warm_up_s:
        yield False
    start, number = time.perf_counter(), 0
    while number < limits.iterations or time.perf_counter() - start < limits.duration_s:
        yield True
        number += 1


@contextmanager
def stopwatch(into: dict[str, float], name: str) -> Iterator[None]:
    """Put the seconds of a block under a name."""
    start = time.perf_counter()
    yield
    into[name] = time.perf_counter() - start
