"""Words and spaces are counted before and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measuring.result import read_result
from benchmarks.pages.spaces import SpaceScores, main, spaces_in


def test_spaces_are_where_they_stand() -> None:
    assert spaces_in("ab c def") == [2, 3]
    assert spaces_in("") == spaces_in("abc") == []


def test_spaces_count_in_lines_that_are_right_besides() -> None:
    scores = SpaceScores()
    scores.add("AB c", "ab c")
    scores.add("a b", "ab c")
    assert scores.spaces.truths == scores.spaces.matches == 1
    assert scores.words.truths == 4 and scores.words.matches == 1 and scores.exact == 0


def test_a_result_is_kept(
    toy_onnx: Path, labelled_lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="the recogniser runs in it")
    output = tmp_path / "spaces.json"
    words = ["--labels", str(labelled_lines), "--models", str(toy_onnx), "--output", str(output)]
    assert main(words) == 0
    names = {figure.name for figure in read_result(output).measures}
    pack = f"{labelled_lines.parent.name}/{labelled_lines.name}"
    assert f"after / {toy_onnx.name} / {pack} / words F1" in names
    assert "space F1" in capsys.readouterr().out
    assert main([*words[:2], "--models", str(tmp_path / "none.onnx")]) == 2
