"""Steps go on where they were, and one that fails stops only what builds upon it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suite import run as run_module
from benchmarks.suite.plan import Step
from benchmarks.suite.run import run_steps

TIMEOUT_S = 60.0


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that steps run: `note` counts its runs, `fail` fails."""
    sources = {
        "note": "import pathlib, sys\nwith open(sys.argv[1], 'a') as f: f.write('x')\n",
        "fail": "import sys\nprint('so it ends')\nsys.exit(3)\n",
        "silent": "raise SystemExit(4)",
        "sleep": "import time\ntime.sleep(60)\n",
        "nothing": "",
        "parent": (
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "print(child.pid, file=open(sys.argv[1], 'w'))\n"
            "child.wait(int(sys.argv[2]))\n"
        ),
    }
    for name, source in sources.items():
        (tmp_path / f"step_{name}.py").write_text(source)
    monkeypatch.setattr(run_module, "ROOT", tmp_path)
    monkeypatch.setattr(run_module, "state_of_code", lambda: "one state")
    return tmp_path


def noting(folder: Path, name: str = "note", **more: Any) -> Step:
    return Step(name, ("step_note", str(folder / f"{name}.txt")), **more)


def runs_of(folder: Path, name: str = "note") -> int:
    file = folder / f"{name}.txt"
    return len(file.read_text()) if file.is_file() else 0


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        (outcome,) = run_steps([noting(tmp_path)], tmp_path, TIMEOUT_S)
        assert outcome.is_good and outcome.reason is None
    assert runs_of(tmp_path) == 1
    monkeypatch.setattr(run_module, "state_of_code", lambda: "another state")
    run_steps([noting(tmp_path)], tmp_path, TIMEOUT_S)
    assert runs_of(tmp_path) == 2


def test_a_step_whose_result_is_gone_is_done_again(tmp_path: Path) -> None:
    step = noting(tmp_path, result=tmp_path / "note.txt")
    run_steps([step], tmp_path, TIMEOUT_S)
    (tmp_path / "note.txt").unlink()
    run_steps([step], tmp_path, TIMEOUT_S)
    assert runs_of(tmp_path) == 1


def test_a_failure_stops_only_what_needs_it(tmp_path: Path) -> None:
    steps = [
        Step("bad", ("step_fail",)),
        noting(tmp_path, "upon", needs=("bad",)),
        noting(tmp_path, "upon_that", needs=("upon",)),
        noting(tmp_path, "other"),
        Step("gone", ("step_note",), absent="no GPU here"),
    ]
    outcomes = {step.name: step for step in run_steps(steps, tmp_path, TIMEOUT_S)}
    assert outcomes["bad"].status == 3
    assert outcomes["bad"].reason == "ended with status 3: so it ends"
    assert outcomes["bad"].tail == ("so it ends",)
    assert outcomes["upon"].reason == "it needs bad, which did not succeed"
    assert "needs upon" in str(outcomes["upon_that"].reason)
    assert (runs_of(tmp_path, "upon"), runs_of(tmp_path, "other")) == (0, 1)
    assert outcomes["gone"].is_absent and not outcomes["bad"].is_absent
    assert [step.name for step in steps] == list(outcomes)


def test_a_failure_is_tried_again(tmp_path: Path) -> None:
    run_steps([Step("bad", ("step_silent",))], tmp_path, TIMEOUT_S)
    (outcome,) = run_steps([Step("bad", ("step_silent",))], tmp_path, TIMEOUT_S)
    assert outcome.reason == "ended with status 4: nothing said"


def test_a_step_that_hangs_is_ended(tmp_path: Path) -> None:
    (outcome,) = run_steps([Step("slow", ("step_sleep",))], tmp_path, 0.6)
    assert outcome.reason == "no result after 0.6 s"
    assert not outcome.is_good


@pytest.mark.parametrize("seconds", ["0", "50"])
def test_nothing_of_a_step_goes_on(seconds: str, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    run_steps([Step("parent", ("step_parent", str(file), seconds))], tmp_path, 2)
    state = Path(f"/proc/{file.read_text().strip()}/stat")
    until = time.monotonic() + 20
    while is_running(state) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(state)


def is_running(state: Path) -> bool:
    """By its /proc/PID/stat; it may wait as a zombie for a parent that is gone."""
    try:
        return state.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_step_without_its_result_has_failed(tmp_path: Path) -> None:
    old = tmp_path / "a.json"
    old.write_text("of an earlier run")
    (outcome,) = run_steps([Step("a", ("step_nothing",), result=old)], tmp_path, TIMEOUT_S)
    assert outcome.reason == "ended well, but wrote no a.json"
    assert not old.exists()


def test_a_damaged_state_is_the_state_of_a_first_run(tmp_path: Path) -> None:
    for damaged in ("", "[]", '{"note": {}}', '{"note": 1}'):
        (tmp_path / "state.json").write_text(damaged)
        (outcome,) = run_steps([noting(tmp_path)], tmp_path, TIMEOUT_S)
        assert outcome.is_good
    assert runs_of(tmp_path) == 4
    assert "note" in json.loads((tmp_path / "state.json").read_text())
