"""The plan, and the whole suite in its quickest form."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import read_result
from benchmarks.suite.__main__ import main
from benchmarks.suite.plan import SIZES, Wanted, shown, steps_of


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    return Wanted(tmp_path / "bench", SIZES["quick"])


def test_every_need_is_an_earlier_step(wanted: Wanted, tmp_path: Path) -> None:
    steps = steps_of(replace(wanted, data=tmp_path, paddleocr=tmp_path))
    names = [step.name for step in steps]
    assert len(names) == len(set(names))
    for number, step in enumerate(steps):
        assert set(step.needs) <= set(names[:number])


@pytest.mark.parametrize("size", SIZES)
def test_every_command_takes_its_options(wanted: Wanted, size: str, tmp_path: Path) -> None:
    for step in steps_of(replace(wanted, size=SIZES[size], data=tmp_path, paddleocr=tmp_path)):
        if step.command[0].startswith("benchmarks.") and step.absent is None:
            module = importlib.import_module(f"{step.command[0]}.__main__")
            module.options_parser().parse_args(step.command[1:])


def test_real_lines_and_others_code_are_asked_for(wanted: Wanted, tmp_path: Path) -> None:
    plain = {step.name for step in steps_of(wanted)}
    assert {"accuracy_real", "throughput_paddleocr"} & plain == set()
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "val.tsv").write_text("a.png\ta\n")
    more = {step.name: step for step in steps_of(replace(wanted, data=tmp_path, paddleocr=ROOT))}
    assert set(more) - plain == {"accuracy_real", "throughput_paddleocr"}
    assert str(tmp_path / "pack" / "val.tsv") in more["accuracy_real"].command


def test_commands_name_paths_from_the_repository() -> None:
    assert shown(ROOT / "output" / "a") == "output/a"
    assert shown(Path("/elsewhere/a")) == "/elsewhere/a"


def test_wrong_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--data", "--paddleocr", "--model"):
        assert main(["--output", str(tmp_path), flag, str(tmp_path / "none")]) == 2
        assert f"{flag}: expected a" in capsys.readouterr().err


@pytest.mark.slow
def test_the_quick_suite_from_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "bench"
    assert main(["--output", str(folder), "--quick"]) == 0
    suite = read_result(folder / "results" / "suite.json")
    assert not suite.has_failed
    page = (folder / "index.html").read_text(encoding="utf-8")
    for section in ("accuracy", "throughput", "latency", "training", "failures", "how"):
        assert f'<section id="{section}"' in page
    assert "benchmarks.accuracy" in (folder / "summary.md").read_text(encoding="utf-8")
    capsys.readouterr()
    log = folder / "logs" / "latency.log"
    stamp = log.stat().st_mtime_ns
    assert main(["--output", str(folder), "--quick"]) == 0
    assert log.stat().st_mtime_ns == stamp
