from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import cluster
from benchmarks.cluster import ALONE, SHARED, SHIP, main
from benchmarks.measuring.alternation import Contender

pytest.importorskip("ray", reason="its cost is measured")

ROOT = Path(__file__).parents[2]
IMAGES, PAGES = ROOT / "images", ROOT / "pages"
LATIN, LINES = ROOT / "models/latin/student.onnx", ROOT / "models/lines/detector.onnx"


def figures_of(name: str, texts: str) -> Contender:
    figures = {"images_per_s_each": [2.0], "start_s": 1.0, "total_s": 3.0, "texts_sha256": texts}
    return Contender(name, ("echo", json.dumps(figures)))


def test_who_reads_other_texts_gives_no_figure(
    toy_onnx: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        cluster,
        "_contender",
        lambda name, images, options: figures_of(name, "other" if name == SHIP else "same"),
    )
    output = tmp_path / "result.json"
    arguments = ["--images", str(IMAGES), "--model", str(toy_onnx), "--rounds", "1"]
    assert main([*arguments, "--output", str(output)]) == 1
    result = json.loads(output.read_text())
    assert {measure["name"]: measure["value"] for measure in result["measures"]} == {
        f"{contender} / {what}": value
        for contender in (ALONE, SHARED)
        for what, value in (("lines per second", 2.0), ("start-up", 1.0))
    }
    assert [failure["what"] for failure in result["failures"]] == [SHIP]
    assert f"{SHIP}: failed: read other texts" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["lines", "pages"])
def test_all_read_the_same_texts(
    unit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="models are read with it")
    pytest.importorskip("rapidocr", reason="its model is read")
    output = tmp_path / "result.json"
    arguments = ["--images", str(IMAGES), "--count", "8"]
    if unit == "pages":
        arguments = ["--images", str(PAGES / "labels.txt"), "--pages", "--model", str(LATIN)]
        arguments += ["--detector", str(LINES)]
    assert main([*arguments, "--rounds", "1", "--output", str(output)]) == 0
    result = json.loads(output.read_text())
    assert result["benchmark"] == "cluster" and not result["failures"]
    named = {measured["name"] for measured in result["measures"]}
    assert named == {
        f"{contender} / {what}"
        for contender in (ALONE, SHARED, SHIP)
        for what in (f"{unit} per second", "start-up")
    }
    assert all(measured["value"] > 0 for measured in result["measures"])
    assert f"x {ALONE}" in capsys.readouterr().out


def test_what_cannot_be_measured_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--images", str(tmp_path)]) == 2
    assert "expected a label file" in capsys.readouterr().err
