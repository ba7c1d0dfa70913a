"""The detector that comes with the project is found, and with the recogniser it reads a page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from runtime.detection.model import default
from runtime.errors import ArtifactError
from runtime.infer.__main__ import main

ROOT = Path(__file__).parents[4]


def test_the_sample_pages_are_found_and_read_with_it(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="both run in it")
    found, read = tmp_path / "found.jsonl", tmp_path / "read.jsonl"
    pages = str(ROOT / "pages")
    assert main([pages, "--detect-only", "--quiet", "--output", str(found)]) == 0
    assert main([pages, "--pages", "--quiet", "--output", str(read)]) == 0
    letter, receipt = map(json.loads, read.read_text(encoding="utf-8").splitlines())
    assert "never Berg invoice Fahrrad school Mehl fruit Jubiläum" in letter["text"]
    assert "CONTACT FAHRRAD" in receipt["text"]
    boxes = [json.loads(row)["boxes"] for row in found.read_text(encoding="utf-8").splitlines()]
    assert len(boxes[0]) >= 19 and len(boxes[1]) >= 75


def test_an_installed_one_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.files._PACKAGES", tmp_path / "a" / "b" / "c")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(ArtifactError, match="no detector was given: expected --detector FILE"):
        default.default_detector()
    installed = tmp_path / "share" / "distilrec" / "models" / "lines" / "detector.onnx"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert default.default_detector() == installed
