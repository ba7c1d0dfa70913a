from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.trt.report import (
    Measurement,
    Query,
    export_times,
    median,
    percentile,
    report_lines,
)


def query(number: int, compute_ms: float = 2.0, enqueue_ms: float = 0.5) -> Query:
    start = 10.0 * number
    return Query(
        enqueue_start=start,
        enqueue_end=start + enqueue_ms,
        h2d_start=start,
        h2d_end=start + 0.25,
        compute_start=start + 0.25,
        compute_end=start + 0.25 + compute_ms,
        d2h_start=start + 0.25 + compute_ms,
        d2h_end=start + 0.375 + compute_ms,
    )


def report(queries: list[Query], average_runs: int = 10) -> list[str]:
    measurement = Measurement(queries, wall_ms=2000.0, warm_up_queries=7, warm_up_ms=200.5)
    return list(report_lines(measurement, (90.0, 99.0), average_runs, batch=8))


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (50, 5), (90, 9), (95, 10), (99, 10), (100, 10)]
)
def test_percentiles_leave_out_the_slowest(percent: float, expected: float) -> None:
    assert percentile([float(number) for number in range(1, 11)], percent) == expected
    assert percentile([3.0], percent) == 3.0


def test_medians() -> None:
    assert median([1.0, 2.0, 9.0]) == 2.0
    assert median([1.0, 2.0, 4.0, 9.0]) == 3.0


def test_latency_is_the_sum_on_the_gpu() -> None:
    one = query(3)
    assert (one.h2d_ms, one.compute_ms, one.d2h_ms, one.enqueue_ms) == (0.25, 2.0, 0.125, 0.5)
    assert one.latency_ms == 2.375


def test_the_layout_is_trtexecs() -> None:
    lines = report([query(number, compute_ms=1.0 + number) for number in range(10)])
    summary = lines[lines.index("=== Performance summary ===") :]
    assert summary[1] == "Throughput: 5 qps"
    assert summary[2] == (
        "Latency: min = 1.375 ms, max = 10.375 ms, mean = 5.875 ms, median = 5.875 ms, "
        "percentile(90%) = 9.375 ms, percentile(99%) = 10.375 ms"
    )
    titles = [line.partition(":")[0] for line in summary[2:9]]
    assert titles == [
        "Latency",
        "Enqueue Time",
        "H2D Latency",
        "GPU Compute Time",
        "D2H Latency",
        "Total Host Walltime",
        "Total GPU Compute Time",
    ]
    assert summary[7:9] == ["Total Host Walltime: 2 s", "Total GPU Compute Time: 0.055 s"]
    assert lines[:2] == [
        "Warmup completed 7 queries over 200.5 ms",
        "Timing trace has 10 queries over 2 s",
    ]
    assert lines[-1] == "Lines: 40 lines/s (batches of 8)"


def test_the_trace_averages_whole_groups() -> None:
    lines = report([query(number, compute_ms=float(number % 2)) for number in range(25)])
    averages = [line for line in lines if line.startswith("Average on 10 runs")]
    assert (
        averages
        == ["Average on 10 runs - GPU latency: 0.5 ms - Host latency: 0.875 ms (enqueue 0.5 ms)"]
        * 2
    )
    assert not [line for line in report([query(1)], average_runs=0) if "Trace" in line]


def test_what_binds_the_throughput_is_named() -> None:
    assert not [line for line in report([query(1)]) if line.startswith("* ")]
    (warning,) = [line for line in report([query(1, enqueue_ms=1.9)]) if line.startswith("* ")]
    assert "bound by Enqueue Time" in warning
    (warning,) = [
        line for line in report([query(1, compute_ms=0.2, enqueue_ms=0.1)]) if line.startswith("* ")
    ]
    assert "bound by H2D transfers" in warning


def test_times_are_written_as_trtexec_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    export_times([query(0), query(1)], path)
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert list(rows[0]) == [
        *("startEnqMs", "endEnqMs", "startH2dMs", "endH2dMs", "startComputeMs", "endComputeMs"),
        *("startD2hMs", "endD2hMs", "h2dMs", "computeMs", "d2hMs", "latencyMs"),
    ]
    assert rows[1]["startComputeMs"] == 10.25 and rows[1]["latencyMs"] == 2.375
