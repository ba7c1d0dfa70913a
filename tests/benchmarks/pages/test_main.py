"""The benchmark of pages measures what it says, with readers of its own."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.measuring.alternation import Contender
from benchmarks.measuring.result import read_result
from benchmarks.pages import __main__ as command
from benchmarks.pages import contender, readers
from benchmarks.pages.contenders import absent_peers, contenders_of, pythons_of
from benchmarks.pages.stages import FINDING, READING, StageClock, task_of
from runtime.errors import OcrError
from runtime.pages.result import PageLine, PageText
from tests.benchmarks.pages.conftest import BOXES, TEXTS, corners
from tests.runtime.conftest import toy_spec, write_toy_model
from tests.runtime.detection.conftest import toy_spec as detector_spec
from tests.runtime.detection.conftest import write_toy_detector

FOUND = [{"text": text, "points": corners(box)} for text, box in zip(TEXTS, BOXES, strict=True)]


class StubReader:
    """A reader of pages that finds what is labelled, and fails on `b.png`."""

    def __init__(self, *, detector: Path, recognizer: Path) -> None:
        self.models = (detector, recognizer)

    def stream(self, paths: list[str]) -> Any:
        for path in paths:
            if path.endswith("b.png"):
                yield PageText(error="no page")
                continue
            yield PageText(
                lines=tuple(
                    PageLine(text, 1.0, tuple(map(tuple, corners(box))))
                    for text, box in zip(TEXTS, BOXES, strict=True)
                )
            )


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("runtime.pages.reader")
    module.PageReader = StubReader  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "runtime.pages.reader", module)
    monkeypatch.setattr(contender, "keep_to_cpus", lambda number: None)


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    detector = write_toy_detector(tmp_path / "detector.onnx", spec=detector_spec())
    recognizer = write_toy_model(tmp_path / "recognizer.onnx", spec=toy_spec())
    return ["--detector", str(detector), "--recognizer", str(recognizer)]


@pytest.mark.usefixtures("stub")
def test_a_contender_tells_what_it_read(
    labels: Path, models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "pages.json"
    paths = [str(labels.parent / name) for name in ("a.png", "b.png", "c.png")]
    listed.write_text(json.dumps(paths))
    words = ["ours", "--pages", str(listed), *models, "--threads", "1", "--stages"]
    contender.main(words)
    figures = json.loads(capsys.readouterr().out)
    assert figures["failed"] == 1 and figures["lines"] == 6
    assert figures["pages"] == [FOUND, [], FOUND]
    assert figures["cpu_s"] >= 0 and figures["stages"] == {}


def answering(name: str, pages: list[Any], **more: Any) -> Contender:
    figures = {"images_per_s_each": [2.0], "cpu_s": 0.5, "peak_mib": 100.0, "failed": 0}
    figures |= {"lines": 9, "inputs_sha256": "ab", "pages": pages, "stages": {}} | more
    return Contender(name, (sys.executable, "-c", f"print({json.dumps(json.dumps(figures))})"))


def test_a_result_is_kept(
    labels: Path,
    models: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def contenders(*arguments: Any, in_stages: bool = False) -> list[Contender]:
        stages = {FINDING: 0.25, READING: 0.125, "the rest": 0.125}
        return [
            answering("ours", [FOUND, FOUND, FOUND[::-1]], stages=stages),
            answering("rapidocr", [FOUND, [], FOUND], failed=1),
        ]

    monkeypatch.setattr(command, "contenders_of", contenders)
    output = tmp_path / "pages.json"
    words = ["--labels", str(labels), *models, "--peers", "--rounds", "2", "--threads", "1"]
    assert command.main([*words, "--output", str(output)]) == 0
    result = read_result(output)
    figures = {figure.name: figure.value for figure in result.measures}
    assert figures["reading / ours / word F1"] == figures["reading / ours / order"] == 1.0
    assert figures["reading / rapidocr / word recall"] == pytest.approx(2 / 3)
    assert figures["reading / rapidocr / order"] == 0.5
    assert figures["reading / rapidocr / failed pages"] == 1
    assert figures["stages / ours / finding lines"] == 0.25
    assert result.settings["case"] == "ignored"
    assert any("capitals" in remark for remark in result.remarks)
    assert any("1 of 3 pages" in remark for remark in result.remarks)
    out = capsys.readouterr().out
    assert "pages/s" in out and "finding lines" in out


def test_a_missing_model_is_named(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--labels", str(labels), "--detector", "none.onnx", "--recognizer", "none.onnx"]
    assert command.main(words) == 2
    assert "none.onnx" in capsys.readouterr().err


def options(peers: list[str], python: list[str]) -> Namespace:
    return Namespace(peers=peers, python=python, threads=2)


def test_a_peer_may_have_a_python_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_PYTHON_FASTER_PADDLE", "/from/variable")
    assert pythons_of(options([], []))["faster-paddle"] == "/from/variable"
    assert pythons_of(options([], []))["rapidocr"] == sys.executable
    given = options(["faster-paddle"], ["faster-paddle=/from/option"])
    assert pythons_of(given)["faster-paddle"] == "/from/option"
    file = Path("a")
    commands = {each.name: each.command for each in contenders_of(given, file, file, file, {})}
    assert commands["ours"][0] == sys.executable
    assert commands["faster-paddle"][0] == "/from/option"
    assert "/from/option cannot import" in absent_peers(given)["faster-paddle"]


@pytest.mark.parametrize("given", ("nobody=/bin/python", "rapidocr", "rapidocr="))
def test_a_wrong_python_is_refused(given: str) -> None:
    with pytest.raises(OcrError, match="expected PEER=FILE"):
        pythons_of(options([], [given]))


def test_the_modules_a_peer_needs_import_nothing_else() -> None:
    import subprocess

    program = (
        "import sys; import benchmarks.pages.contender; "
        "print({'numpy', 'cv2', 'onnxruntime', 'shapely'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_boxes_of_two_corners_get_four() -> None:
    bound = {"topLeftCoord": (1, 2), "bottomRightCoord": (9, 5), "text": "a"}
    line = readers._line_of_bound(bound)
    assert line == {"text": "a", "points": [[1, 2], [9, 2], [9, 5], [1, 5]]}


def test_stages_are_told_apart(models: list[str], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="it runs the networks")
    import onnxruntime

    sessions = [onnxruntime.InferenceSession(path) for path in (models[1], models[3])]
    assert list(map(task_of, sessions)) == [FINDING, READING]
    original = onnxruntime.InferenceSession.run
    with StageClock() as clock:
        assert onnxruntime.InferenceSession.run is not original
    assert onnxruntime.InferenceSession.run is original and clock.cpu_s == {}
