"""The order of labelled boxes is measured however the page lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measuring.result import read_result
from benchmarks.pages.order import CHANGES, main


def test_a_result_is_kept(labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "order.json"
    assert main(["--labels", str(labels), "--output", str(output)]) == 0
    figures = {figure.name: figure.value for figure in read_result(output).measures}
    name = f"{labels.parent.name}/{labels.name}"
    assert all(
        figures[f"order / {name}, labelled by rows / {change}"] == 1 for change in CHANGES[:3]
    )
    assert all(
        figures[f"order / {name} / {change}"] == pytest.approx(2 / 3) for change in CHANGES[:3]
    )
    assert "side by side" in capsys.readouterr().out


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert main(["--labels", str(tmp_path / "none.txt")]) == 2
