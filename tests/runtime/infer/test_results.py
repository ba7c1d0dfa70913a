"""Outputs of runs that are gone on with, share a place or were begun otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.infer.__main__ import main
from runtime.lock import OutputLock
from runtime.recognition.recognizer import Recognizer

pytest.importorskip("onnxruntime", reason="the command line is run with a model")

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def scans(tmp_path: Path, line_images: list[NDArray[np.uint8]]) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for index, image in enumerate(line_images[:4]):
        cv2.imwrite(str(folder / f"line{index}.png"), image)
    return folder


@pytest.fixture
def infer(scans: Path, toy_path: Path) -> list[str]:
    return [str(scans), "--model", str(toy_path), "--threads", "1", "--output"]


def files_in(output: Path) -> list[str]:
    return [Path(json.loads(line)["file"]).name for line in output.read_text().splitlines()]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_failures_of_an_earlier_run_count_until_they_are_read(
    scans: Path, infer: list[str], kind: str, capsys: Capture
) -> None:
    output = scans.parent / f"r.{kind}"
    genuine = (scans / "line1.png").read_bytes()
    (scans / "line1.png").write_bytes(b"")
    command = [*infer, str(output)]
    assert main(command) == 1
    (scans / "line1.png").write_bytes(genuine)
    capsys.readouterr()
    assert main([*command, "--resume"]) == 1
    said = capsys.readouterr().err
    assert "read 0 of 0 images, 0 failed, 4 skipped as read before, 1 failed before" in said
    assert "--retry-failed" in said
    assert main([*command, "--resume", "--retry-failed"]) == 0
    assert "read 1 of 1 images, 0 failed, 3 skipped as read before, in" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    if kind == "jsonl":
        assert files_in(output) == [f"line{number}.png" for number in (0, 2, 3, 1)]
    assert [path.name for path in scans.parent.iterdir() if path.name.startswith(".")] == []


def test_two_runs_do_not_share_an_output(scans: Path, infer: list[str], capsys: Capture) -> None:
    output = scans.parent / "r.jsonl"
    output.write_text("older\n")
    for place in (output, scans.parent / "folder.parquet"):
        if place.suffix == ".parquet":
            pytest.importorskip("pyarrow", reason="Parquet is written with it")
            place.mkdir()
        with OutputLock(place):
            assert main([*infer, str(place)]) == 2
        assert "expected to write there alone, but process" in capsys.readouterr().err
    assert output.read_text() == "older\n"
    drawn = scans.parent / "drawn"
    drawn.mkdir()
    with OutputLock(drawn):
        assert main([*infer[:-1], "--visualize", str(drawn)]) == 2
    assert main([*infer, str(output)]) == 0
    assert not (scans.parent / ".r.jsonl.lock").exists()


def test_other_settings_are_said_when_a_run_goes_on(
    scans: Path, infer: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    output = scans.parent / "r.jsonl"
    stream = Recognizer.stream

    def broken(self: Recognizer, images: object) -> object:
        yield next(iter(stream(self, images)))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Recognizer, "stream", broken)
        assert main([*infer, str(output)]) == 130
        assert main([*infer, str(output), "--resume"]) == 130
        assert "warning" not in capsys.readouterr().err
        assert main([*infer, str(output), "--resume", "--max-pixels", "1M"]) == 130
    said = capsys.readouterr().err
    assert "begun with other settings: max_pixels None, now 1048576" in said
    model = Path(infer[2])
    model.write_bytes(model.read_bytes() + b"\x72\x00")  # an empty field: the same network
    assert main([*infer, str(output), "--resume"]) == 0
    assert "begun with other settings: sha256 " in capsys.readouterr().err
    assert files_in(output) == [f"line{number}.png" for number in range(4)]
    (scans / "later.png").write_bytes((scans / "line0.png").read_bytes())
    assert main([*infer, str(output), "--resume", "--max-pixels", "2M"]) == 0
    assert "warning" not in capsys.readouterr().err, "a complete run leaves no note"


def test_labels_that_match_nothing_are_an_error(
    scans: Path, infer: list[str], capsys: Capture
) -> None:
    labels = scans / "labels.txt"
    labels.write_text("other/line0.png\tx\n")
    output = scans.parent / "r.jsonl"
    command = [*infer, str(output), "--labels", str(labels)]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert f"e.g. {scans}/other/line0.png" in said and "0.00 %" not in said
    assert len(files_in(output)) == 4, "the results are written all the same"
    labels.write_text("line0.png\tx\nline9.png\ty\n")
    assert main(command) == 0
    assert "; 1 of 2 labels belong to no image read" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert "no labelled image was read in this run; 1 read before" in capsys.readouterr().err


def test_files_left_out_are_counted(scans: Path, infer: list[str], capsys: Capture) -> None:
    (scans / "notes.docx").touch()
    assert main([*infer[:-1]]) == 0
    assert f"; 1 file left out by its name, e.g. {scans}/notes.docx" in capsys.readouterr().err


def test_names_with_controls_reach_no_stream_and_are_found_again(
    scans: Path, infer: list[str], capsys: Capture
) -> None:
    (scans / "\x1b]0;t\x07\n=x.png").write_bytes(b"")
    for kind in ("txt", "csv", "jsonl", "table"):
        assert main([*infer[:-1], "--format", kind]) == 1
        printed = capsys.readouterr()
        assert "\x1b" not in printed.out + printed.err
    output = scans.parent / "r.csv"
    assert main([*infer, str(output), "--csv-safe"]) == 1
    assert main([*infer, str(output), "--resume"]) == 1
    assert "5 skipped as read before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--retry-failed"], "expected --resume too"),
        (["--labels-dir", "x"], "expected --labels too"),
    ],
)
def test_options_that_need_others(
    infer: list[str], options: list[str], reason: str, capsys: Capture
) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([*infer, "r.jsonl", *options])
    assert leaving.value.code == 2
    assert reason in capsys.readouterr().err


def test_pages_that_are_read_as_lines_are_told_of(
    tmp_path: Path, toy_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.infer.recognition.task._LEAST_LINE_CONFIDENCE", 2.0)
    page, line = tmp_path / "page.png", tmp_path / "line.png"
    cv2.imwrite(str(page), np.full((900, 600, 3), 255, np.uint8))
    cv2.imwrite(str(line), np.full((32, 20, 3), 255, np.uint8))
    assert main([str(tmp_path), "--model", str(toy_path), "--threads", "1"]) == 0
    said = capsys.readouterr().err
    assert said.endswith("; 1 image looks like a page: --pages finds its lines first\n")
