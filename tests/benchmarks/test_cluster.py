from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cluster import ALONE, SHARED, SHIP, main

pytest.importorskip("ray", reason="its cost is measured")
pytest.importorskip("onnxruntime", reason="models are read with it")

IMAGES = Path(__file__).parents[2] / "images"


def test_all_read_the_same_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rapidocr", reason="its model is read")
    output = tmp_path / "result.json"
    arguments = ["--images", str(IMAGES), "--count", "8", "--rounds", "1"]
    assert main([*arguments, "--output", str(output)]) == 0
    result = json.loads(output.read_text())
    assert result["benchmark"] == "cluster" and not result["failures"]
    named = {one["name"] for one in result["measures"]}
    assert named == {
        f"{contender} / {what}"
        for contender in (ALONE, SHARED, SHIP)
        for what in ("lines per second", "start-up")
    }
    assert all(one["value"] > 0 for one in result["measures"])
    assert f"x {ALONE}" in capsys.readouterr().out


def test_what_cannot_be_measured_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--images", str(tmp_path)]) == 2
    assert "expected a label file" in capsys.readouterr().err
