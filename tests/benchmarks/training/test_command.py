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

from benchmarks.measuring.comparison import Summary
from benchmarks.training.__main__ import busy_remark, has_failures, main, options_parser
from benchmarks.training.parts import choose_contenders, remarks_on, same_inputs, step_settings
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
def outcome(label_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Any]:
    """What one run of everything printed, its JSON line, and the file it wrote."""
    file = tmp_path_factory.mktemp("result") / "training.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training", *TINY, "--contenders", f"{OURS},{PADDLE}",
         "--frozen-teacher", "--profile", "--real", str(label_file), "--real-steps", "2",
         "--num-workers", "0", "--output", str(file)],
        cwd=Path(__file__).resolve().parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    table, _, line = done.stdout.strip().rpartition("\n")
    return table, json.loads(line), json.loads(file.read_text(encoding="utf-8"))


def test_the_json_line_says_where_how_and_what(outcome: tuple[str, Any, Any]) -> None:
    _, result, written = outcome
    assert result == written
    assert (result["schema"], result["benchmark"]) == (1, "training")
    assert result["command"][:3] == ["python", "-m", "benchmarks.training"]
    assert {"machine", "revision", "versions", "time", "steps", "real", "profile"} <= set(result)
    assert not has_failures(result)


def test_ours_and_paddle_compute_the_same_from_the_same(outcome: tuple[str, Any, Any]) -> None:
    steps = outcome[1]["steps"]
    runs = {one["contender"]: one["figures"] for one in steps["runs"]}
    assert list(runs) == ["ours", "paddle", "ours-frozen-teacher"]
    assert {one["inputs_sha256"] for one in runs.values()} == {steps["inputs_sha256"]}
    assert runs["ours"]["first_loss"] == pytest.approx(runs["paddle"]["first_loss"], rel=1e-4)
    assert runs["ours"]["last_loss"] == pytest.approx(runs["paddle"]["last_loss"], rel=1e-3)
    assert steps["remarks"] == []
    frozen = runs["ours-frozen-teacher"]
    assert 2 * frozen["trainable_parameters"] == runs["ours"]["trainable_parameters"]
    assert np.isfinite(frozen["last_loss"])


def test_each_contender_ran_as_its_name_says(outcome: tuple[str, Any, Any]) -> None:
    runs = {one["contender"]: one["figures"] for one in outcome[1]["steps"]["runs"]}
    has_numba = importlib.util.find_spec("numba") is not None
    assert runs["ours"]["fast_kernels"] is has_numba
    assert "CPU threads" in runs["ours"]["settings"]
    assert runs["paddle"]["fast_kernels"] is False
    assert runs["paddle"]["settings"] == "process settings: none"
    for figures in runs.values():
        assert len(figures["step_s"]) == len(figures["images_per_s_each"]) == 1


def test_real_lines_keep_their_widths_or_are_padded(outcome: tuple[str, Any, Any]) -> None:
    runs = {one["contender"]: one["figures"] for one in outcome[1]["real"]["runs"]}
    assert set(runs["fixed-width"]["widths_px"]) == {64}
    assert max(runs["width-aware"]["widths_px"]) <= 64
    for figures in runs.values():
        assert figures["lines"] == 8
        assert 0.0 <= figures["waiting_share"] <= 1.0


def test_the_profile_adds_up_to_a_step(outcome: tuple[str, Any, Any]) -> None:
    for run in outcome[1]["profile"]["runs"]:
        kinds = run["figures"]["seconds_by_kind"]
        assert {"depthwise convolution", "losses", "optimizer", "LSTM"} <= set(kinds)
        step_s = 2 / run["figures"]["images_per_s_each"][0]
        assert sum(kinds.values()) == pytest.approx(step_s, rel=0.01)


def test_the_tables_come_before_the_json_line(outcome: tuple[str, Any, Any]) -> None:
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
    (run,) = json.loads(line)["steps"]["runs"]
    assert run["figures"] is None
    assert "expected a checkout" in run["reason"]


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
    def row(name: str, first_loss: float) -> Summary:
        return Summary(name, 1, 1.0, 1.0, 1.0, 1.0, None, {"first_loss": first_loss})

    assert remarks_on([row("ours", 1.0), row("paddle", 1.0001)]) == []
    (remark,) = remarks_on([row("ours", 1.0), row("pytorch", loss)])
    assert remark.startswith("pytorch: first loss")


def test_a_busy_machine_is_remarked() -> None:
    assert busy_remark({"busy_cpus": 0.1, "cpus_available": 2}) is None
    assert busy_remark({"busy_cpus": None, "cpus_available": 2}) is None
    assert "busy" in (busy_remark({"busy_cpus": 1.0, "cpus_available": 2}) or "")
