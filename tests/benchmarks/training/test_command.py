"""The command on networks small enough for a test."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.measuring import result as result_module
from benchmarks.measuring.alternation import Attempt
from benchmarks.measuring.result import Result, read_result
from benchmarks.training import __main__ as command_module
from benchmarks.training.__main__ import SPINNING, main, measure, options_parser
from benchmarks.training.parts import (
    Part,
    choose_contenders,
    remarks_on,
    same_inputs,
    step_settings,
)
from benchmarks.training.settings import OURS, PADDLE, PADDLEOCR, PYTORCH

TINY = ["--batch-size", "2", "--width", "64", "--steps", "1", "--warmup", "1", "--rounds", "1",
        "--scale", "0.125"]  # fmt: skip


@pytest.fixture(scope="module")
def label_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    rng = np.random.default_rng(0)
    lines = []
    for number in range(8):
        image = rng.integers(0, 256, (32, 40 + 20 * number, 3)).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{number}.png"), image)
        lines.append(f"{number}.png\tab{number}\n")
    (folder / "train.tsv").write_text("".join(lines), encoding="utf-8")
    return folder / "train.tsv"


@pytest.fixture(scope="module")
def outcome(label_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Result]:
    """What one run of everything printed, its JSON line, and the result it wrote."""
    file = tmp_path_factory.mktemp("result") / "training.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training", *TINY, "--contenders", f"{OURS},{PADDLE}",
         "--frozen-teacher", "--profile", "--real", str(label_file), "--real-steps", "2",
         "--num-workers", "0", "--output", str(file)],
        cwd=Path(__file__).resolve().parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    table, _, line = done.stdout.strip().rpartition("\n")
    return table, json.loads(line), read_result(file)


def figures_of(result: Result, part: str) -> dict[str, dict[str, Any]]:
    """Figures of the only round, by contender."""
    return {run["contender"]: run["figures"] for run in result.details["runs"][part]}


def test_the_json_line_says_where_how_and_what(outcome: tuple[str, Any, Result]) -> None:
    _, line, result = outcome
    assert line == result.as_json()
    assert result.benchmark == "training"
    assert result.command[:3] == ("python", "-m", "benchmarks.training")
    assert (result.settings["batch_size"], result.settings["rounds"]) == (2, 1)
    assert result.failures == ()
    assert [figure.name for figure in result.measures] == [
        *(f"training step / {name} / speed" for name in ("ours", "paddle", "ours-frozen-teacher")),
        *(f"real lines / {name} / speed" for name in ("width-aware", "fixed-width")),
    ]
    assert result.details["references"] == {
        "training step": "paddle",
        "real lines": "fixed-width",
    }
    assert list(result.details["runs"]) == ["training step", "real lines", "profile"]


def test_ours_and_paddle_compute_the_same_from_the_same(outcome: tuple[str, Any, Result]) -> None:
    result = outcome[2]
    runs = figures_of(result, "training step")
    assert list(runs) == ["ours", "paddle", "ours-frozen-teacher"]
    assert {run["inputs_sha256"] for run in runs.values()} == {result.inputs["sha256"]}
    assert runs["ours"]["first_loss"] == pytest.approx(runs["paddle"]["first_loss"], rel=1e-4)
    assert runs["ours"]["last_loss"] == pytest.approx(runs["paddle"]["last_loss"], rel=1e-3)
    assert not any("first loss" in remark for remark in result.remarks)
    frozen = runs["ours-frozen-teacher"]
    assert 2 * frozen["trainable_parameters"] == runs["ours"]["trainable_parameters"]
    assert np.isfinite(frozen["last_loss"])


def test_each_contender_ran_as_its_name_says(outcome: tuple[str, Any, Result]) -> None:
    runs = figures_of(outcome[2], "training step")
    has_numba = importlib.util.find_spec("numba") is not None
    assert runs["ours"]["fast_kernels"] is has_numba
    assert "CPU threads" in runs["ours"]["settings"]
    assert runs["paddle"]["fast_kernels"] is False
    assert runs["paddle"]["settings"] == "process settings: none"
    for figures in runs.values():
        assert len(figures["step_s"]) == len(figures["images_per_s_each"]) == 1


def test_real_lines_keep_their_widths_or_are_padded(outcome: tuple[str, Any, Result]) -> None:
    runs = figures_of(outcome[2], "real lines")
    assert set(runs["fixed-width"]["widths_px"]) == {64}
    assert max(runs["width-aware"]["widths_px"]) <= 64
    for figures in runs.values():
        assert figures["lines"] == 8
        assert 0.0 <= figures["waiting_share"] <= 1.0


def test_the_profile_adds_up_to_a_step(outcome: tuple[str, Any, Result]) -> None:
    for figures in figures_of(outcome[2], "profile").values():
        kinds = figures["seconds_by_kind"]
        assert {"depthwise convolution", "losses", "optimizer", "LSTM"} <= set(kinds)
        step_s = 2 / figures["images_per_s_each"][0]
        assert sum(kinds.values()) == pytest.approx(step_s, rel=0.01)


def test_the_tables_come_before_the_json_line(outcome: tuple[str, Any, Result]) -> None:
    table = outcome[0]
    assert "x paddle" in table
    assert "x fixed-width" in table
    assert "depthwise convolution" in table


def test_a_failing_contender_is_shown_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([*TINY, "--contenders", PADDLEOCR, "--paddleocr", str(tmp_path)])
    table, _, line = capsys.readouterr().out.strip().rpartition("\n")
    assert status == 1
    assert "paddleocr: failed: " in table
    assert "expected a checkout of PaddleOCR" in table
    result = json.loads(line)
    assert result["measures"] == []
    (failure,) = result["failures"]
    assert failure["what"] == "training step / paddleocr"
    assert "expected a checkout" in failure["reason"]
    assert failure["tail"]


def test_what_cannot_be_tried_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else real(name)
    )
    names, not_run = choose_contenders(options_parser().parse_args([]))
    assert PYTORCH not in names
    assert "not installed" in not_run[PYTORCH]
    names, not_run = choose_contenders(options_parser().parse_args(["--pytorch-python", "other"]))
    assert PYTORCH in names
    assert not not_run


def test_an_unknown_contender_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--contenders", "ours,tensorflow"]) == 2
    assert "got 'tensorflow'" in capsys.readouterr().err


def test_sizes_come_from_the_config_unless_given() -> None:
    given = step_settings(options_parser().parse_args(["--classes", "6625"]))
    assert (given.scale, given.hidden_size, given.mid_channels) == (0.5, 64, 96)
    assert (given.batch_size, given.width_px, given.classes) == (32, 320, 6625)
    assert step_settings(options_parser().parse_args(["--scale", "0.25"])).scale == 0.25


def test_another_batch_is_noticed() -> None:
    check = same_inputs("ab" * 32)
    assert check({"inputs_sha256": "ab" * 32}) is None
    assert "another batch" in (check({"inputs_sha256": "cd" * 32}) or "")
    assert "another batch" in (check({}) or "")


@pytest.mark.parametrize("loss", [2.0, float("nan")])
def test_another_computation_is_noticed(loss: float) -> None:
    def run(name: str, first_loss: float) -> Attempt:
        return Attempt(name, 1, 1.0, {"first_loss": first_loss})

    assert remarks_on([run("ours", 1.0), run("paddle", 1.0001)]) == []
    (remark,) = remarks_on([run("ours", 1.0), run("pytorch", loss)])
    assert remark.startswith("pytorch: first loss")
    assert remarks_on([Attempt("ours", 1, 1.0, reason="crashed")]) == []


@pytest.mark.parametrize("busy_cpus", [0.0, 1.0])
def test_a_busy_machine_is_remarked(
    busy_cpus: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = {"cpu": "a processor", "cpus_available": 2, "busy_cpus": busy_cpus}
    monkeypatch.setattr(result_module, "describe_machine", lambda: machine)
    monkeypatch.setattr(command_module, "measure_steps", lambda *_: Part("training step", ()))
    result = measure(options_parser().parse_args([]), [])
    assert (SPINNING in result.remarks) == (SPINNING in capsys.readouterr().out) == bool(busy_cpus)
    assert any("was busy" in remark for remark in result.remarks) == bool(busy_cpus)
