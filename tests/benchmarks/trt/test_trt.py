"""The command from end to end on the fakes, whose clock is their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.trt.__main__ import main
from benchmarks.trt.measure import Settings, measure
from runtime.engines.tensorrt.plan import TensorRtPlan

Capture = pytest.CaptureFixture[str]
QUICK = ["--warmUp=1", "--duration=0.01", "--iterations=12"]
COMPUTE_MS = 0.5
"""What a run takes on the fake's clock."""


def run(machine: Any, capsys: Capture, *options: str) -> tuple[int, str, str]:
    status = main([f"--loadEngine={machine.plan}", *QUICK, *options])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_a_report_and_its_times(machine: Any, capsys: Capture, tmp_path: Path) -> None:
    times = tmp_path / "times.json"
    status, out, err = run(machine, capsys, f"--exportTimes={times}", "--percentile=50,99")
    assert (status, err) == (0, "")
    assert all(
        re.match(r"\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[[IW]\] ", line) for line in out.splitlines()
    )
    assert "Input inference shape : pixels=4x32x96x3" in out
    assert "Input inference shape : content_widths=4" in out
    assert "CUDA Graph: Disabled" in out and "Data transfers: Enabled" in out
    assert "settings of trtexec 10; trtexec 11 uses CUDA graphs" in out
    assert re.search(r"Throughput: \S+ qps", out)
    assert f"GPU Compute Time: min = {COMPUTE_MS:g} ms, max = {COMPUTE_MS:g} ms" in out
    assert "percentile(50%)" in out and "percentile(90%)" not in out
    rows = json.loads(times.read_text(encoding="utf-8"))
    assert len(rows) >= 12
    assert "launch_graph" not in machine.cuda.calls
    for row in rows:
        assert row["h2dMs"] > 0 and row["d2hMs"] > 0
        assert row["latencyMs"] == pytest.approx(row["h2dMs"] + row["computeMs"] + row["d2hMs"])
        assert row["endH2dMs"] == row["startComputeMs"] and row["endComputeMs"] == row["startD2hMs"]
        assert row["startEnqMs"] < row["endEnqMs"]


def test_graphs_and_no_transfers(machine: Any, capsys: Capture) -> None:
    status, out, _ = run(
        machine, capsys, "--useCudaGraph", "--noDataTransfers", "--shapes=pixels:8x32x160x3"
    )
    assert status == 0
    assert "CUDA Graph: Enabled" in out and "Data transfers: Disabled" in out
    assert "Input inference shape : pixels=8x32x160x3" in out
    assert "H2D Latency: min = 0 ms, max = 0 ms" in out
    assert machine.cuda.calls.count("begin_capture") == 1
    assert machine.cuda.calls.count("copy_to_device") == 1
    assert machine.cuda.calls.count("launch_graph") >= 12


def test_the_engine_is_given_back_before_the_process_ends(
    machine: Any, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT's objects must not outlive CUDA; TensorRT-RTX keeps its kernels then."""
    closed: list[TensorRtPlan] = []
    close = TensorRtPlan.close

    def noted(plan: TensorRtPlan) -> None:
        closed.append(plan)
        close(plan)

    monkeypatch.setattr(TensorRtPlan, "close", noted)
    assert run(machine, capsys)[0] == 0
    assert run(machine, capsys, "--shapes=pixels:9x32x160x3")[0] == 2
    assert len(closed) == 2


def test_a_refused_capture_is_said(machine: Any, capsys: Capture) -> None:
    machine.trt._wishes.refuses_capture = True
    status, out, _ = run(machine, capsys, "--useCudaGraph")
    assert status == 0
    assert "[W] * The CUDA graph capture was refused" in out and "CUDA Graph: Disabled" in out


def test_streams_run_together(machine: Any) -> None:
    plan = TensorRtPlan(machine.plan, device_id=1)
    shapes = {"pixels": (2, 32, 96, 3), "content_widths": (2,)}
    settings = Settings(shapes, warm_up_ms=1, duration_s=0.01, iterations=5, streams=3)
    measurement, _ = measure(plan, settings)
    plan.close()
    assert len(measurement.queries) >= 15
    starts = [query.enqueue_start for query in measurement.queries]
    assert starts == sorted(starts)
    assert machine.cuda.calls.count("create_stream") == 3
    assert measurement.wall_ms >= 10 and measurement.warm_up_ms >= 1


def test_an_error_in_one_stream_ends_all(machine: Any, capsys: Capture) -> None:
    machine.cuda.fail_at["copy_to_host"] = 20
    status, _, err = run(machine, capsys, "--infStreams=3", "--duration=60")
    assert status == 2
    assert "copy_to_host failed" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--shapes=pixels:9x32x160x3"], "no optimisation profile takes pixels [9, 32, 160, 3]"),
        (["--shapes=pixels:1x32x2000x3"], "no optimisation profile takes pixels [1, 32, 2000, 3]"),
        (["--shapes=pixels:1x48x96x3"], "no optimisation profile takes pixels [1, 48, 96, 3]"),
        (["--shapes=pixels:2x32x96x3,content_widths:1"], "takes pixels [2, 32, 96, 3], content_w"),
        (["--shapes=content_widths:2"], "--shapes: expected pixels:Nx32xNx3,content_widths:N, got"),
        (["--shapes=y:1x3x32x96"], "--shapes: expected pixels:Nx32xNx3,content_widths:N, got 'y:1"),
        (["--shapes=96"], "--shapes: expected pixels:Nx32xNx3,content_widths:N, got '96'"),
        (["--device=7"], "no NVIDIA GPU of number 7"),
        (["--exportTimes=none/times.json"], "cannot write none/times.json"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    machine: Any, capsys: Capture, options: list[str], said: str
) -> None:
    status, _, err = run(machine, capsys, *options)
    assert status == 2
    assert said in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "option", ["--duration=-1", "--infStreams=0", "--percentile=101", "--useCuda", "--warmUp=inf"]
)
def test_impossible_options_are_refused(machine: Any, capsys: Capture, option: str) -> None:
    with pytest.raises(SystemExit) as leaving:
        run(machine, capsys, option)
    assert leaving.value.code == 2


def test_without_a_driver_it_says_so(tmp_path: Path) -> None:
    """In a process of its own, with the real packages: one sentence, never a crash."""
    trt = pytest.importorskip("tensorrt_rtx")
    runtime = pytest.importorskip("cuda.bindings.runtime")
    if int(runtime.cudaGetDeviceCount()[0]) == 0:
        pytest.skip("there is a driver, whose absence is tested here")
    from tests.fakes.toy_engine import build_plan
    from tests.runtime.conftest import toy_spec, write_toy_model

    model = write_toy_model(tmp_path / "toy.onnx", spec=toy_spec())
    plan = build_plan(trt, model, tmp_path / "toy.plan")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.trt", f"--loadEngine={plan}"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "no NVIDIA GPU can be used here" in done.stderr and len(done.stderr.splitlines()) == 1
