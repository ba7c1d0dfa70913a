"""What is timed is what is read: shapes, runs, and the engine within the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.latency.cells import Limits, OnnxEngine, PlanEngine, noise_lines
from runtime.recognition.preprocess import prepare_line
from tests.runtime.conftest import toy_spec

pytest.importorskip("onnxruntime", reason="its runs are timed")
LIMITS = Limits(warm_up_s=0.001, duration_s=0.001, iterations=4)


@pytest.mark.parametrize("width", [32, 96, 320])
def test_noise_comes_out_as_wide_as_asked(width: int) -> None:
    lines = noise_lines(3, width, toy_spec())
    assert [prepare_line(line, toy_spec()).shape for line in lines] == [(32, width, 3)] * 3
    assert (lines[0] == noise_lines(1, width, toy_spec())[0]).all()
    assert (lines[0] != lines[1]).any()


def test_onnxruntime_runs_the_whole_batch_at_once(toy_onnx: Path) -> None:
    import onnxruntime

    shapes = []
    engine = OnnxEngine(toy_onnx, "cpu", threads=1)
    run = onnxruntime.InferenceSession.run

    def noted(session: Any, outputs: Any, feed: Any, *more: Any) -> Any:
        shapes.append(next(iter(feed.values())).shape)
        return run(session, outputs, feed, *more)

    onnxruntime.InferenceSession.run = noted
    try:
        cell = engine.measure(5, 96, LIMITS)
    finally:
        onnxruntime.InferenceSession.run = run
    assert set(shapes) == {(5, 3, 32, 96)}
    assert (cell.batch, cell.width_px) == (5, 96)
    assert len(cell.engine_ms) == len(cell.end_to_end_ms) >= 4
    pairs = zip(cell.engine_ms, cell.end_to_end_ms, strict=True)
    assert all(0 < inside < whole for inside, whole in pairs)
    assert cell.first_ms > 0


def test_a_plan_is_timed_by_the_device(machine: Any) -> None:
    engine = PlanEngine(machine.plan)
    cell = engine.measure(4, 96, LIMITS)
    assert len(cell.end_to_end_ms) >= 4 and len(cell.engine_ms) >= 4
    assert all(ms > 0 for ms in cell.engine_ms)
    assert "TensorRT 11.4" in engine.description
    engine._session.close()
