"""The model that comes with the project is found, and its absence is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from runtime import Recognizer
from runtime.errors import ArtifactError
from runtime.infer.__main__ import main
from runtime.recognition.labels import Labels
from runtime.recognition.model import default as default_model

ROOT = Path(__file__).parents[4]


def test_the_sample_lines_are_read_with_it(tmp_path: Path) -> None:
    output = tmp_path / "read.jsonl"
    assert main([str(ROOT / "images"), "--quiet", "--output", str(output)]) == 0
    labels = Labels(ROOT / "images" / "labels.txt")
    for row in map(json.loads, output.read_text(encoding="utf-8").splitlines()):
        labels.compare(row["file"], row["text"])
    assert labels.scores.num_read == 20
    assert labels.scores.num_exact >= 17


def test_a_recogniser_takes_it_too() -> None:
    with Recognizer(device="cpu") as recognizer:
        assert {*"éßŒ„"} <= {*recognizer.spec.charset.characters}


def test_an_installed_one_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.files._PACKAGES", tmp_path / "a" / "b" / "c")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    installed = tmp_path / "share" / "distilrec" / "models" / "latin" / "student.onnx"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert default_model.default_model() == installed


def test_where_it_is_not_a_model_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runtime.files._PACKAGES", tmp_path / "a" / "b" / "c")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(ArtifactError, match="no model was given: expected --model"):
        default_model.default_model()
    with pytest.raises(SystemExit) as leaving:
        main(["images"])
    assert leaving.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no model was given" in line
