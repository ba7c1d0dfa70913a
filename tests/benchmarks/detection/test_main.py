"""The benchmark of detection measures what it says, on a detector and pages of its own."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from benchmarks.detection import __main__ as command
from benchmarks.detection.contender import labelled_pages, scores
from benchmarks.detection.tracing import map_of_lines, tracing
from benchmarks.measuring.result import read_result
from tests.runtime.detection.conftest import page_of, toy_spec, write_toy_detector

pytest.importorskip("onnxruntime", reason="the detector runs in it")
pytest.importorskip("shapely", reason="boxes are compared with it")

FOUND = [[0, 10], [69, 10], [69, 49], [0, 49]]
ELSEWHERE = [[80, 50], [95, 50], [95, 60], [80, 60]]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        cv2.imwrite(str(tmp_path / name), page_of(736, 736, [(100, 200, 600, 400)]))
    boxes = [
        {"transcription": "text", "points": [[0, 90], [700, 90], [700, 510], [0, 510]]},
        {"transcription": "###", "points": ELSEWHERE},
    ]
    file = tmp_path / "labels.txt"
    file.write_text("".join(f"{name}\t{json.dumps(boxes)}\n" for name in names))
    return file


def test_labels_are_read(labels: Path) -> None:
    pages = labelled_pages(labels, 2)
    assert len(pages) == 2 and pages[0]["ignored"] == [False, True]
    assert Path(pages[0]["path"]) == (labels.parent / "a.png").resolve()


def test_scores_are_of_all_pages(labels: Path) -> None:
    page = {"points": [FOUND], "ignored": [False]}
    assert scores([page, page], [[FOUND], []])["recall"] == 0.5
    assert scores([page], [[FOUND, ELSEWHERE]])["precision"] == 0.5


def test_a_map_has_500_lines() -> None:
    assert map_of_lines().shape == (1600, 1184)
    names = [figure.name for figure in tracing(1)]
    assert names[0] == "tracing 500 lines / ours / CPU time"


def test_a_result_is_kept(
    labels: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "CONTENDERS", {"ours": None})
    model = write_toy_detector(tmp_path / "detector.onnx", spec=toy_spec())
    output = tmp_path / "detection.json"
    words = ["--labels", str(labels), "--models", str(model), "--rounds", "1", "--threads", "1"]
    assert command.main([*words, "--output", str(output)]) == 0
    result = read_result(output)
    figures = {figure.name: figure.value for figure in result.measures}
    assert figures["finding / ours, detector.onnx / hmean"] == 1.0
    assert figures["finding / ours, detector.onnx / boxes"] == 3
    assert "pages/s" in capsys.readouterr().out
    assert command.main([*words[:2], "--models", str(tmp_path / "none.onnx")]) == 2
