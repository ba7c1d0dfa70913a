"""What `python -m training.evaluate` refuses beforehand, and what it writes in which order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training import evaluate as module
from training.evaluate import main

WriteConfig = Callable[..., Path]
RESULT: dict[str, Any] = {"networks": {"network": {"acc": 0.5}}, "images": 2, "failures": []}


def test_one_file_is_not_written_twice(
    write_config: WriteConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, result = str(write_config("run")), str(tmp_path / "a" / ".." / "result")
    arguments = ["-c", config, "--html", str(tmp_path / "result"), "--output", result]
    assert main(arguments) != 0
    assert "expected two files" in capsys.readouterr().err
    assert not (tmp_path / "result").exists()


def test_figures_stay_when_the_page_cannot_be_written(
    write_config: WriteConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def write(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(module, "_evaluated", lambda config, has_page: (RESULT, write))
    output = tmp_path / "figures.json"
    arguments = ["-c", str(write_config("run")), "--output", str(output)]
    assert main([*arguments, "--html", str(tmp_path / "page.html")]) != 0
    told = capsys.readouterr()
    assert "0.5000" in told.out and "No space left" in told.err and "written" not in told.err
    assert json.loads(output.read_text()) == RESULT
