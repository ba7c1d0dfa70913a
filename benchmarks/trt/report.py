"""What trtexec prints of its measurements, and its JSON of every query.

The layout and the definitions are those of trtexec (samples/common/sampleReporting.cpp), so that
whatever reads its output reads this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.files import written_atomically

_BOUND_BY_ENQUEUE = 0.8


@dataclass(frozen=True)
class Query:
    """When one query did what, all in ms.

    Args:
        enqueue_start, enqueue_end: on the host, since the measurement began.
        h2d_start, h2d_end, compute_start, compute_end, d2h_start, d2h_end: on the GPU, since its
            stream's first event; transfers that were left out have no length.
    """

    enqueue_start: float
    enqueue_end: float
    h2d_start: float
    h2d_end: float
    compute_start: float
    compute_end: float
    d2h_start: float
    d2h_end: float

    @property
    def enqueue_ms(self) -> float:
        """Host time to enqueue the query."""
        return self.enqueue_end - self.enqueue_start

    @property
    def h2d_ms(self) -> float:
        """Copying its inputs."""
        return self.h2d_end - self.h2d_start

    @property
    def compute_ms(self) -> float:
        """Its kernels."""
        return self.compute_end - self.compute_start

    @property
    def d2h_ms(self) -> float:
        """Copying its outputs."""
        return self.d2h_end - self.d2h_start

    @property
    def latency_ms(self) -> float:
        """The sum of the three on the GPU."""
        return self.h2d_ms + self.compute_ms + self.d2h_ms


@dataclass(frozen=True)
class Measurement:
    """Queries after the warm-up.

    Args:
        queries: in the order in which they were enqueued.
        wall_ms: from the first query's enqueueing to the last one's end.
        warm_up_queries, warm_up_ms: what went before.
    """

    queries: Sequence[Query]
    wall_ms: float
    warm_up_queries: int
    warm_up_ms: float


METRICS: tuple[tuple[str, Callable[[Query], float]], ...] = (
    ("Latency", lambda query: query.latency_ms),
    ("Enqueue Time", lambda query: query.enqueue_ms),
    ("H2D Latency", lambda query: query.h2d_ms),
    ("GPU Compute Time", lambda query: query.compute_ms),
    ("D2H Latency", lambda query: query.d2h_ms),
)


def percentile(ascending: Sequence[float], percent: float) -> float:
    """trtexec's percentile: the largest value once the slowest part is left out.

    Args:
        ascending: at least one value.
        percent: 0 .. 100.
    """
    # In float32, as trtexec computes it: which value it is can depend on that.
    excluded = int((1 - np.float32(percent) / np.float32(100)) * np.float32(len(ascending)))
    return ascending[max(len(ascending) - 1 - excluded, 0)]


def median(ascending: Sequence[float]) -> float:
    """The middle value, or the mean of the middle two."""
    middle = len(ascending) // 2
    if len(ascending) % 2:
        return ascending[middle]
    return (ascending[middle - 1] + ascending[middle]) / 2


def report_lines(
    measurement: Measurement, percents: Sequence[float], average_runs: int, batch: int
) -> Iterator[str]:
    """The report, line by line.

    Args:
        percents: percentiles to tell.
        average_runs: queries that are averaged in each line of the trace; 0 leaves it out.
        batch: N of each query.
    """
    queries = measurement.queries
    wall_s = measurement.wall_ms / 1000
    yield (
        f"Warmup completed {measurement.warm_up_queries} queries over {measurement.warm_up_ms:g} ms"
    )
    yield f"Timing trace has {len(queries)} queries over {wall_s:g} s"
    if average_runs:
        yield ""
        yield "=== Trace details ==="
        yield f"Trace averages of {average_runs} runs:"
        for start in range(0, len(queries) - average_runs + 1, average_runs):
            part = queries[start : start + average_runs]
            compute, latency, enqueue = (
                sum(metric(query) for query in part) / average_runs
                for metric in (METRICS[3][1], METRICS[0][1], METRICS[1][1])
            )
            yield (
                f"Average on {average_runs} runs - GPU latency: {compute:g} ms - Host latency: "
                f"{latency:g} ms (enqueue {enqueue:g} ms)"
            )
    yield ""
    yield "=== Performance summary ==="
    yield f"Throughput: {len(queries) / wall_s:g} qps"
    medians = {}
    for title, metric in METRICS:
        values = sorted(metric(query) for query in queries)
        medians[title] = median(values)
        tails = ", ".join(
            f"percentile({percent:g}%) = {percentile(values, percent):g} ms" for percent in percents
        )
        yield (
            f"{title}: min = {values[0]:g} ms, max = {values[-1]:g} ms, mean = "
            f"{sum(values) / len(values):g} ms, median = {medians[title]:g} ms, {tails}"
        )
    yield f"Total Host Walltime: {wall_s:g} s"
    yield f"Total GPU Compute Time: {sum(query.compute_ms for query in queries) / 1000:g} s"
    if medians["Enqueue Time"] > _BOUND_BY_ENQUEUE * medians["GPU Compute Time"]:
        yield (
            "* Throughput may be bound by Enqueue Time rather than GPU Compute; --useCudaGraph or "
            "more --infStreams may raise it."
        )
    for direction in ("H2D", "D2H"):
        if medians[f"{direction} Latency"] >= medians["GPU Compute Time"]:
            yield f"* Throughput may be bound by {direction} transfers rather than GPU Compute."
    yield f"Lines: {len(queries) * batch / wall_s:g} lines/s (batches of {batch})"


def export_times(queries: Sequence[Query], path: Path) -> None:
    """Write every query as trtexec's --exportTimes does.

    Raises:
        ArtifactError: if the place cannot be written to.
    """
    rows = [
        {
            "startEnqMs": query.enqueue_start,
            "endEnqMs": query.enqueue_end,
            "startH2dMs": query.h2d_start,
            "endH2dMs": query.h2d_end,
            "startComputeMs": query.compute_start,
            "endComputeMs": query.compute_end,
            "startD2hMs": query.d2h_start,
            "endD2hMs": query.d2h_end,
            "h2dMs": query.h2d_ms,
            "computeMs": query.compute_ms,
            "d2hMs": query.d2h_ms,
            "latencyMs": query.latency_ms,
        }
        for query in queries
    ]
    with written_atomically(path) as stream:
        stream.write("[\n  " + "\n, ".join(json.dumps(row) for row in rows) + "\n]\n")
