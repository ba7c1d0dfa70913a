"""Boxes in every format, one record a page, whatever happens to a page."""

from __future__ import annotations

import csv
import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.infer.__main__ import main
from tests.runtime.images.pdf import odd_files
from tests.runtime.infer.detection.conftest import BAR, OUTLINE

pytest.importorskip("onnxruntime", reason="the command line is run with a model")

ROOT = Path(__file__).parents[4]
Capture = pytest.CaptureFixture[str]


def words(model: Path, *more: object) -> list[str]:
    return ["--detect-only", "--detector", str(model), "--device", "cpu", *map(str, more)]


def records_in(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_folder_is_searched(
    detector_path: Path, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "boxes.jsonl"
    assert main([str(folder), *words(detector_path, "--output", output)]) == 1
    printed = capsys.readouterr()
    cut, first, *rest = records_in(output)
    assert first == {
        "file": str(folder / "page0.png"),
        "boxes": [{"points": OUTLINE, "score": 1.0}],
        "width_px": 96,
        "height_px": 64,
        "input_width_px": 96,
        "input_height_px": 64,
        "warnings": [],
        "error": None,
    }
    assert cut["boxes"] == [] and "cut short" in str(cut["error"])
    assert len(rest) == 4
    header, bad, good, *_ = printed.out.splitlines()
    assert header.split() == ["file", "boxes", "score"]
    assert "error: " in bad and good.split() == [str(folder / "page0.png"), "1", "1.000"]
    assert "read 5 of 6 pages, 1 failed" in printed.err and "pages/s" in printed.err


def test_pages_of_pdf_files_are_found_too(
    detector_path: Path, tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("pypdfium2", reason="pypdfium2 opens PDF files")
    (tmp_path / "a.pdf").write_bytes(odd_files.scan((300, 200), height=200, width=300))
    (tmp_path / "b.pdf").write_bytes(odd_files.encrypted())
    assert main([str(tmp_path), *words(detector_path, "--format", "jsonl")]) == 1
    found, refused = map(json.loads, capsys.readouterr().out.splitlines())
    assert (found["width_px"], found["height_px"], found["error"]) == (300, 200, None)
    assert found["file"] == str(tmp_path / "a.pdf") and found["boxes"]
    assert "encrypted" in refused["error"]


def test_formats(detector_path: Path, folder: Path, tmp_path: Path, capsys: Capture) -> None:
    page = str(folder / "page0.png")
    assert main([page, *words(detector_path, "--format", "txt")]) == 0
    name, boxes = capsys.readouterr().out.rstrip("\n").split("\t")
    assert name == page and json.loads(boxes) == [{"transcription": "", "points": OUTLINE}]
    assert main([page, str(folder / "cut.png"), *words(detector_path, "--format", "csv")]) == 1
    header, row, failed = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["file", "boxes", "width_px", "height_px", "warnings", "error"]
    assert json.loads(row[1]) == [{"points": OUTLINE, "score": 1.0}] and row[2:4] == ["96", "64"]
    assert failed[1] == "[]" and "cut short" in failed[5]
    assert main([page, *words(detector_path, "--format", "jsonl", "--quiet")]) == 0
    assert capsys.readouterr().out == ""


def test_parquet(detector_path: Path, folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet is written with it")
    output = tmp_path / "boxes.parquet"
    options = words(detector_path, "--output", output, "--quiet")
    assert main([str(folder / "page0.png"), *options]) == 0
    assert main([str(folder), *options, "--resume"]) == 1
    rows = parquet.read_table(output).to_pylist()
    assert len(rows) == 6 and rows[0]["boxes"] == [{"points": OUTLINE, "score": 1.0}]


def test_options_reach_the_boxes(detector_path: Path, folder: Path, capsys: Capture) -> None:
    def found(*options: object) -> dict[str, object]:
        page = str(folder / "page0.png")
        assert main([page, *words(detector_path, "--format", "jsonl", *options)]) == 0
        record: dict[str, object] = json.loads(capsys.readouterr().out)
        return record

    tight = found("--det-unclip-ratio", 0)
    assert tight["boxes"] == [{"points": [[10, 20], [59, 20], [59, 39], [10, 39]], "score": 1.0}]
    large = found("--det-limit-side-len", 128, "--det-limit-type", "min")
    assert (large["input_width_px"], large["input_height_px"]) == (192, 128)
    assert found("--det-thresh", 1.0)["boxes"] == []
    assert found("--det-box-thresh", 0.5, "--det-dilation")["boxes"] != tight["boxes"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_run_goes_on(
    detector_path: Path, folder: Path, tmp_path: Path, capsys: Capture, kind: str
) -> None:
    output = tmp_path / f"boxes.{kind}"
    options = words(detector_path, "--output", output, "--quiet")
    assert main([str(folder / "page1.png"), str(folder / "cut.png"), *options]) == 1
    whole = output.read_bytes()
    output.write_bytes(whole + whole.splitlines(keepends=True)[-1][:-9])  # killed while it wrote
    cv2.imwrite(str(folder / "cut.png"), BAR)
    assert main([str(folder), *options, "--resume"]) == 1, "one stays failed"
    assert output.read_bytes().startswith(whole)
    assert main([str(folder), *options, "--resume", "--retry-failed"]) == 0
    names = sorted(path.name for path in folder.iterdir())
    lines = output.read_text().splitlines()[kind == "csv" :]
    assert len(lines) == 6 and all(any(name in line for line in lines) for name in names)


def test_results_of_reading_are_not_continued(
    detector_path: Path, toy_path: Path, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "r.jsonl"
    page = str(folder / "page0.png")
    assert main([page, "--model", str(toy_path), "--output", str(output), "--quiet"]) == 0
    assert main([page, *words(detector_path, "--output", output, "--resume")]) == 2
    assert "expected records that have boxes" in capsys.readouterr().err


def test_drawings_show_the_boxes(
    detector_path: Path, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    drawings = tmp_path / "drawn"
    images = [str(folder / "page0.png"), str(folder / "cut.png")]
    assert main([*images, *words(detector_path, "--visualize", drawings, "--quiet")]) == 1
    first, second = sorted(drawings.iterdir())
    drawn = cv2.imread(str(first))
    assert drawn is not None and drawn.shape == BAR.shape
    blue, _, red = drawn[10, 30].tolist()
    assert blue > 150 and red < 50 and drawn[30, 30].tolist() == [255] * 3
    assert cv2.imread(str(second)) is not None


def test_pages_of_a_file_and_streams(detector_path: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="pillow writes the pages")
    tiff = tmp_path / "scan.tif"
    frames = [image.fromarray(np.roll(BAR, shift, axis=0)) for shift in (0, 8)]
    frames[0].save(tiff, save_all=True, append_images=frames[1:])
    png = bytes(cv2.imencode(".png", BAR)[1])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "runtime.infer", str(tiff), "--stdin-images"),
            *words(detector_path, "--format", "jsonl"),
        ],
        cwd=ROOT,
        input=struct.pack(">I", len(png)) + png,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["file"] for record in records[:2]] == [f"{tiff}#page=1", f"{tiff}#page=2"]
    assert [record["boxes"][0]["points"][0] for record in records] == [[0, 10], [0, 18], [0, 10]]


def test_the_command_runs_as_a_module(detector_path: Path, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "boxes.jsonl"
    for more in ([], ["--resume"]):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "runtime.infer", str(folder)),
                *words(detector_path, "--output", output, *more),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr and "WARN" not in done.stderr
        assert len(done.stderr.splitlines()) == 2, "engine and summary, nothing else"
    assert "6 skipped as read before" in done.stderr
    assert len(records_in(output)) == 6


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--det-thresh", "2"], "thresh: expected a number from 0 to 1, got 2.0"),
        (["--det-limit-side-len", "0"], "limit_side_len: expected a whole number from 1"),
        (["--output", "none/r.jsonl"], "cannot write none/r.jsonl"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    detector_path: Path, folder: Path, options: list[str], reason: str, capsys: Capture
) -> None:
    assert main([str(folder), *words(detector_path, *options)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "thread" not in line]
    assert len(lines) == 1 and reason in lines[0]


def test_a_recogniser_finds_no_boxes(toy_path: Path, folder: Path, capsys: Capture) -> None:
    assert main([str(folder), *words(toy_path)]) == 2
    assert "give a detector" in capsys.readouterr().err
