"""`python -m benchmarks.service.hostile` from end to end, short, on a toy model."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measuring.result import read_result
from benchmarks.service.hostile.__main__ import main, options_parser
from benchmarks.service.hostile.attacks import ATTACKS


def _command(model: Path, images: Path, *options: str) -> list[str]:
    return ["--model", str(model), "--images", str(images), "--clients", "4", *options]


@pytest.mark.slow
def test_honest_clients_are_answered_during_and_after_every_attack(
    toy_onnx: Path, labelled_lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray")
    output = tmp_path / "result.json"
    options = ["--seconds", "5", "--calm", "2", "--rate", "10", "--output", str(output)]
    assert main(_command(toy_onnx, labelled_lines, *options)) == 0
    result = read_result(output)
    assert set(result.details) == set(ATTACKS) and result.machine["cpus_available"] > 0
    assert {f"{name} / p99" for name in ATTACKS} <= {figure.name for figure in result.measures}
    assert "attacks leave honest clients" in capsys.readouterr().out
    for name, finding in result.details.items():
        assert finding["server"]["before"] > 0 and finding["replicas"]["before"] > 0
        assert finding["during"]["statuses"].get("200"), name
        assert finding["met"]["answers after"] and finding["met"]["memory"], name


def test_what_cannot_be_measured_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_command(Path("missing.onnx"), tmp_path)) == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmarks.service.hostile: cannot measure on")
    assert said.count("\n") == 1


def test_help_names_every_attack() -> None:
    text = options_parser().format_help()
    assert all(f"  {name} " in text for name in ATTACKS)
