"""The command from end to end on the toy network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.latency.__main__ import main
from benchmarks.measuring.result import read_result

pytest.importorskip("onnxruntime", reason="it is what is measured")
QUICK = ["--rounds", "2", "--seconds", "0.01", "--warm-up", "0.001", "--threads", "1"]


def test_all_shapes_are_measured_and_what_is_not_here_is_named(
    toy_onnx: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "latency.json"
    shapes = ["--batches", "1", "3", "--widths", "32", "96"]
    status = main(["--model", str(toy_onnx), *shapes, *QUICK, "--output", str(output)])
    assert status == 0
    result = read_result(output)
    cells = result.details["backends"]["cpu-fp32"]["cells"]
    assert [(row["batch"], row["width_px"]) for row in cells] == [
        *((1, 32), (1, 96), (3, 32), (3, 96)),
    ]
    for cell in cells:
        assert cell["runs"] >= 20
        for clock in ("engine", "end_to_end"):
            each = [cell[clock][name] for name in ("p50", "p90", "p95", "p99")]
            assert each == sorted(each) and each[0] > 0
    named = {measure.name: measure for measure in result.measures}
    assert len(named["cpu-fp32 / 3 x 96 px / engine only, median"].samples) == 2
    assert named["cpu-fp32 / cold start / open"].value > 0
    absent = {failure.what for failure in result.failures if failure.is_absent}
    assert {"cpu-fp16", "tensorrt-fp16", "rtx-fp32"} <= absent
    assert result.inputs["toy.onnx"]["sha256"]
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    out = capsys.readouterr().out
    assert "3 x 96" in out and "tensorrt-fp16: not here: " in out


def test_an_engine_that_fails_is_told_and_is_status_2_when_it_is_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    output = tmp_path / "latency.json"
    assert main(["--model", str(broken), *QUICK, "--output", str(output)]) == 2
    assert "cpu-fp32: FAILED: " in capsys.readouterr().out
    (failed,) = [failure for failure in read_result(output).failures if not failure.is_absent]
    assert "broken.onnx" in failed.reason


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "none.onnx"]) == 2
    assert "none.onnx" in capsys.readouterr().err


@pytest.mark.gpu
def test_a_real_plan_beside_its_onnx(tmp_path: Path) -> None:
    model, plan = (os.environ.get(f"DISTILREC_{name}") for name in ("ONNX", "PLAN"))
    if model is None or plan is None:
        pytest.skip("DISTILREC_ONNX and DISTILREC_PLAN name a model and its engine")
    output = tmp_path / "latency.json"
    shapes = ["--batches", "1", "8", "--widths", "320"]
    status = main(["--model", model, "--plans", plan, *shapes, *QUICK, "--output", str(output)])
    backends = read_result(output).details["backends"]
    assert status == 0
    assert any(name.startswith(("tensorrt", "rtx")) for name in backends)
