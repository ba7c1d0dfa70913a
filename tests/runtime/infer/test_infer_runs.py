"""Whole runs of the command: formats, streams, going on after an end that came early."""

from __future__ import annotations

import csv
import json
import os
import signal
import struct
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
from runtime.recognition.result import Recognition

pytest.importorskip("onnxruntime", reason="the command line is run with a model")

ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def scans(tmp_path: Path, line_images: list[NDArray[np.uint8]]) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for index, image in enumerate(line_images[:8]):
        cv2.imwrite(str(folder / f"line{index}.png"), image)
    return folder


@pytest.fixture
def model(toy_path: Path) -> list[str]:
    return ["--model", str(toy_path), "--threads", "1"]


def files_in(output: Path) -> list[str]:
    return [json.loads(line)["file"] for line in output.read_text().splitlines()]


def paths(scans: Path, *numbers: int) -> list[str]:
    return [str(scans / f"line{number}.png") for number in numbers]


def test_every_format_says_the_same(scans: Path, model: list[str], capsys: Capture) -> None:
    results = {}
    for kind in ("jsonl", "csv", "txt"):
        output = scans.parent / f"r.{kind}"
        assert main([str(scans), *model, "--quiet", "--output", str(output)]) == 0
        capsys.readouterr()
        assert main([str(scans), *model, "--format", kind]) == 0
        assert capsys.readouterr().out == output.read_text(), "printed as written"
        results[kind] = output.read_text().splitlines()
    from_json = [json.loads(line) for line in results["jsonl"]]
    wanted = [(entry["file"], entry["text"], str(entry["confidence"])) for entry in from_json]
    rows = csv.DictReader(results["csv"])
    assert [(row["file"], row["text"], row["confidence"]) for row in rows] == wanted
    assert [tuple(line.split("\t")) for line in results["txt"]] == wanted


def test_a_reason_without_a_column_is_said(scans: Path, model: list[str], capsys: Capture) -> None:
    (scans / "bad.png").write_bytes(b"")
    assert main([str(scans / "bad.png"), *model, "--format", "txt"]) == 1
    printed = capsys.readouterr()
    assert printed.out == f"{scans / 'bad.png'}\t\t0.0\n"
    assert f"infer: {scans / 'bad.png'}: the file is empty" in printed.err


def test_labels(scans: Path, model: list[str], capsys: Capture) -> None:
    labels = scans / "labels.txt"
    labels.write_text("line0.png\tnot this\n")
    assert main([str(scans), *model, "--labels", str(labels)]) == 0
    said = capsys.readouterr()
    assert "read exactly: 0 of 1 labelled images (0.0 %);" in said.err
    assert "misread, expected: not this" in said.out
    assert main([str(scans), *model, "--labels", str(labels), "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("read exactly: 0 of 1")


def test_drawings(scans: Path, model: list[str]) -> None:
    pytest.importorskip("PIL", reason="text is drawn by Pillow")
    folder = scans.parent / "drawn"
    assert main([str(scans), *model, "--quiet", "--visualize", str(folder)]) == 0
    assert [path.name for path in sorted(folder.iterdir())] == [
        f"{number + 1:06}_line{number}.png.png" for number in range(8)
    ]


def test_the_largest_size_is_obeyed(scans: Path, model: list[str], capsys: Capture) -> None:
    cv2.imwrite(str(scans / "large.png"), np.zeros((1000, 1000), np.uint8))
    assert main([str(scans), *model, "--max-pixels", "999k"]) == 0
    assert main([str(scans), *model, "--max-pixels", "900k"]) == 1
    assert "too large: 1000 x 1000 px" in capsys.readouterr().out


def run(
    arguments: list[str], stdin: bytes = b"", status: int = 0
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "runtime.infer", *arguments],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == status, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def test_names_and_images_from_standard_input(scans: Path, model: list[str]) -> None:
    images = paths(scans, 0, 1, 2)
    printed = ["--format", "jsonl"]
    named = run(["-", *model, *printed], "\n".join(images).encode())
    streamed = run(
        ["--stdin-images", *model, *printed],
        b"".join(
            struct.pack(">I", len(data)) + data
            for data in (Path(image).read_bytes() for image in images)
        ),
    )
    by_name, by_stream = (
        [json.loads(line) for line in done.stdout.splitlines()] for done in (named, streamed)
    )
    assert [entry["file"] for entry in by_name] == images
    assert [entry["file"] for entry in by_stream] == [
        f"stdin#image={number}" for number in (1, 2, 3)
    ]
    assert [entry["text"] for entry in by_name] == [entry["text"] for entry in by_stream]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_going_on_gives_what_one_run_gives(
    scans: Path, model: list[str], kind: str, capsys: Capture
) -> None:
    whole, output = scans.parent / f"whole.{kind}", scans.parent / f"r.{kind}"
    everything = [str(scans), *model, "--output"]
    assert main([*everything, str(whole)]) == 0
    assert main([*everything, str(output), "--resume"]) == 0, "a beginning is no special case"
    assert output.read_bytes() == whole.read_bytes()
    for length in (0, 10, len(whole.read_bytes()) // 2, len(whole.read_bytes()) - 1):
        output.write_bytes(whole.read_bytes()[:length])
        assert main([*everything, str(output), "--resume"]) == 0
        assert output.read_bytes() == whole.read_bytes()
    assert "7 skipped as read before" in capsys.readouterr().err


def test_other_files_are_not_gone_on_with(scans: Path, model: list[str], capsys: Capture) -> None:
    notes = scans.parent / "notes.jsonl"
    notes.write_text("my notes\n")
    assert main([str(scans), *model, "--output", str(notes), "--resume"]) == 2
    assert "cannot continue" in capsys.readouterr().err
    assert main([str(scans), *model, "--output", "r.txt", "--resume"]) == 2
    assert "cannot go on with r.txt" in capsys.readouterr().err
    assert notes.read_text() == "my notes\n"


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_good_order(
    scans: Path, model: list[str], number: signal.Signals, monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:  # fmt: skip
    stream = Recognizer.stream

    def interrupted(self: Recognizer, images: Iterator[str]) -> Iterator[Recognition]:
        def then_a_signal() -> Iterator[str]:
            for position, image in enumerate(images):
                yield image
                if position == 2:
                    signal.raise_signal(number)

        return stream(self, then_a_signal())

    output = scans.parent / "r.jsonl"
    arguments = [str(scans), *model, "--output", str(output)]
    with monkeypatch.context() as patched:
        patched.setattr(Recognizer, "stream", interrupted)
        assert main(arguments) == 130
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1] == (
        f"infer: interrupted; what was read is in {output}: go on with --resume"
    )
    assert files_in(output) == paths(scans, 0, 1, 2), "what was begun is finished"
    assert main([*arguments, "--resume"]) == 0
    assert files_in(output) == paths(scans, *range(8))


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_waiting_for_names_can_be_interrupted(scans: Path, model: list[str]) -> None:
    output = scans.parent / "r.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "runtime.infer", "-", *model, "--output", str(output)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stderr is not None
    process.stdin.write(f"{paths(scans, 0)[0]}\n".encode())
    process.stdin.flush()
    process.stderr.readline()  # the model is open, and signals are noted
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=120)
    assert process.returncode == 130, complaints
    assert b"Traceback" not in complaints


FULL_DISK = """
import resource, sys
from runtime.infer.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (12000, 12000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="sets a limit that only POSIX has")
def test_a_full_disk_is_reported_and_gone_on_from(scans: Path, model: list[str]) -> None:
    output = scans.parent / "r.jsonl"
    arguments = [str(scans), *model, "--quiet", "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"infer: cannot write {output}: " in done.stderr and "--resume" in done.stderr
    done_before = files_in(output)
    assert 0 < len(done_before) < 8
    assert done_before == paths(scans, *range(len(done_before)))
    assert main([*arguments, "--resume"]) == 0
    assert files_in(output) == paths(scans, *range(8))
