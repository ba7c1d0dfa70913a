"""Each run is done once."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.distillation import runs
from benchmarks.distillation.arms import ARMS, Plan, read_arms
from benchmarks.distillation.one_run import CONFIG, RESULT, TASK
from runtime.errors import OcrError

SETS = {"words": {"name": "SimpleDataSet"}}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders of the runs that were started; each one leaves a result."""
    folders: list[Path] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        folder = Path(command[-1])
        folders.append(folder)
        (folder / RESULT).write_text(json.dumps({"number": len(folders)}))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(runs.subprocess, "run", run)
    return folders


@pytest.fixture
def plan() -> Plan:
    weights = dict.fromkeys(("Student", "Twin", "Teacher"), Path("w"))
    return Plan(Path("train.tsv"), Path("val.tsv"), 1000, weights, steps=10)


def test_a_run_that_is_done_is_not_started_again(
    started: list[Path], plan: Plan, tmp_path: Path
) -> None:
    (arm,) = read_arms(ARMS, ["alone"])
    first = runs.run_arm(arm, 1, plan, SETS, tmp_path / "alone_1")
    assert runs.run_arm(arm, 1, plan, SETS, tmp_path / "alone_1") == first
    assert started == [tmp_path / "alone_1"]
    task = json.loads((tmp_path / "alone_1" / TASK).read_text())
    assert task["network"] == "Student"
    assert task["weights"] is None
    assert task["data_sets"] == SETS


def test_other_options_do_not_pass_for_the_same_run(
    started: list[Path], plan: Plan, tmp_path: Path
) -> None:
    (arm,) = read_arms(ARMS, ["alone"])
    runs.run_arm(arm, 1, plan, SETS, tmp_path)
    with pytest.raises(OcrError, match="got another one"):
        runs.run_arm(arm, 1, replace(plan, steps=20), SETS, tmp_path)
    assert len(started) == 1


def test_a_reference_trains_nothing(started: list[Path], tmp_path: Path) -> None:
    reference = runs.Reference("teacher", "Teacher", Path("weights/a.pdparams"))
    runs.run_reference(reference, SETS, tmp_path)
    assert not (tmp_path / CONFIG).exists()
    task = json.loads((tmp_path / TASK).read_text())
    assert (task["network"], task["weights"]) == ("Teacher", "weights/a.pdparams")


def test_a_run_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        runs.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 2)
    )
    with pytest.raises(OcrError, match="exit status 2"):
        runs.run_arm(read_arms(ARMS)[0], 1, plan, SETS, tmp_path)
