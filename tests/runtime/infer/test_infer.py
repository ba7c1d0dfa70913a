from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.infer.__main__ import main
from runtime.recognition.recognizer import Recognizer

pytest.importorskip("onnxruntime", reason="the command line is run with a model")

ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def scans(tmp_path: Path, line_images: list[NDArray[np.uint8]]) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for index, image in enumerate(line_images[:6]):
        cv2.imwrite(str(folder / f"line{index}.png"), image)
    return folder


BAD = {
    "cut.jpg": "cut short",
    "cut.png": "cut short",
    "empty.png": "the file is empty",
    "text.png": "not an image",
}


@pytest.fixture
def bad_scans(scans: Path, line_images: list[NDArray[np.uint8]]) -> Path:
    jpeg, png = (bytes(cv2.imencode(kind, line_images[0])[1]) for kind in (".jpg", ".png"))
    (scans / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (scans / "cut.png").write_bytes(png[: len(png) // 2])
    (scans / "empty.png").write_bytes(b"")
    (scans / "text.png").write_text("not an image at all")
    (scans / "one_pixel.png").write_bytes(cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1])
    (scans / "long.png").write_bytes(cv2.imencode(".png", np.zeros((10, 20_000), np.uint8))[1])
    return scans


def test_a_folder_is_read(toy_path: Path, scans: Path, tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "results.jsonl"
    assert main([str(scans), "--model", str(toy_path), "--output", str(output)]) == 0
    printed = capsys.readouterr()
    header, *rows = printed.out.splitlines()
    assert header.split() == ["file", "text", "confidence"]
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert [entry["file"] for entry in records] == [str(scans / f"line{i}.png") for i in range(6)]
    for row, record in zip(rows, records, strict=True):
        assert record["file"] in row and record["text"] in row
        assert "".join(character["text"] for character in record["characters"]) == record["text"]
    assert "read 6 of 6 images, 0 failed" in printed.err and "lines/s" in printed.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "results.jsonl",
        "scans",
        "toy.onnx",
    ]


def test_bad_images_have_their_reason_and_stop_nothing(
    toy_path: Path, bad_scans: Path, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "results.jsonl"
    extra = [str(tmp_path / "none.png"), str(tmp_path / "*.tiff")]
    arguments = [str(bad_scans), *extra, "--model", str(toy_path), "--output", str(output)]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    records = [json.loads(line) for line in output.read_text().splitlines()]
    reasons = {Path(record["file"]).name: record["error"] for record in records}
    expected = {**BAD, "none.png": "no such file", "*.tiff": "the pattern matches no image"}
    assert {name for name, reason in reasons.items() if reason} == expected.keys()
    for name, reason in expected.items():
        assert reason in reasons[name]
        (row,) = [row for row in printed.out.splitlines() if f"/{name} " in row]
        assert "error: " in row and reason in row
    assert "squeezed" in records[[*reasons].index("long.png")]["warnings"][0]
    assert "read 8 of 14 images, 6 failed" in printed.err


def test_json_lines_can_be_printed(toy_path: Path, scans: Path, capsys: Capture) -> None:
    assert main([str(scans), "--model", str(toy_path), "--format", "jsonl"]) == 0
    assert all(json.loads(line)["text"] for line in capsys.readouterr().out.splitlines())


def test_quiet_prints_nothing(toy_path: Path, scans: Path, capsys: Capture) -> None:
    output = scans / "out.jsonl"
    assert main([str(scans), "--model", str(toy_path), "--quiet", "--output", str(output)]) == 0
    assert capsys.readouterr().out == ""
    assert len(output.read_text().splitlines()) == 6


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--model", "MODEL"], "PATH"),
        (["scans", "--model", "none.onnx"], "there is no such file"),
        (["scans", "--model", "none.plan"], "there is no such file"),
        (["scans", "--model", "MODEL", "--device-id", "-1"], "a whole number from 0, got '-1'"),
        (["scans", "--model", "MODEL", "--batch-size", "0"], "at least 1, got '0'"),
        (["scans", "--model", "MODEL", "--threads", "two"], "at least 1, got 'two'"),
        (["scans", "--model", "MODEL", "--device", "tpu"], "invalid choice: 'tpu'"),
        (["scans", "--model", "MODEL", "--dictionary", "none.txt"], "cannot read the dictionary"),
        (["scans", "--model", "MODEL", "--output", "none/r.jsonl"], "cannot write none/r.jsonl"),
        (["scans", "--model", "MODEL", "--outptu", "r"], "unrecognized arguments"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    toy_path: Path,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    arguments: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(scans.parent)
    arguments = [str(toy_path) if argument == "MODEL" else argument for argument in arguments]
    try:
        status = main(arguments)
    except SystemExit as leaving:
        status = leaving.code
    printed = capsys.readouterr()
    assert status == 2
    lines = [line for line in printed.err.splitlines() if "threads" not in line or reason in line]
    assert len(lines) == 1 and reason in lines[0]
    assert printed.out == ""


def test_an_interruption_leaves_no_file(
    toy_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def interrupted(_: object, images: Iterator[str]) -> Iterator[object]:
        next(iter(images))
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Recognizer, "stream", interrupted)
    before = set(scans.iterdir())
    arguments = [str(scans), "--model", str(toy_path), "--output", str(scans / "r.jsonl")]
    assert main(arguments) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "infer: interrupted"
    assert set(scans.iterdir()) == before


@pytest.mark.parametrize("has_output", [False, True])
def test_a_reader_that_leaves_early_is_no_disaster(
    toy_path: Path, scans: Path, tmp_path: Path, has_output: bool
) -> None:
    output = tmp_path / "r.jsonl"
    options = ["--output", str(output)] if has_output else []
    process = subprocess.Popen(
        [sys.executable, "-m", "runtime.infer", str(scans), "--model", str(toy_path), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == (0 if has_output else 141)
    assert "Traceback" not in complaints and "BrokenPipe" not in complaints
    if has_output:
        assert len(output.read_text().splitlines()) == 6


def test_the_command_runs_as_a_module(toy_path: Path, bad_scans: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runtime.infer", str(bad_scans), "--model", str(toy_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "WARN" not in done.stderr
    assert len(done.stderr.splitlines()) == 2, "engine and summary, nothing else"
