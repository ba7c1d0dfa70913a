"""On Ray itself: what one process reads, line for line, whoever is killed meanwhile."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime import EngineError, OcrError, Recognizer
from runtime.cluster.connection import connected
from runtime.infer.__main__ import main
from runtime.infer.recognition.cluster import ClusterRecognizer
from tests.listening import addresses_listened_at, family_of, is_loopback, needs_proc
from tests.runtime.conftest import toy_spec, write_toy_model

ray = pytest.importorskip("ray", reason="readers are started with it")
pytest.importorskip("onnxruntime", reason="models are read with it")

ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]
Lines = list[NDArray[np.uint8]]


@pytest.fixture(scope="module", autouse=True)
def ray_of_this_machine() -> Iterator[None]:
    """One for all tests here: what is connected already stays connected."""
    with connected(None):
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("model") / "toy.onnx", spec=toy_spec())


@pytest.fixture
def scans(tmp_path: Path, line_images: Lines) -> Path:
    """Two hundred good images and a few bad ones."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(200):
        image = np.roll(line_images[number % 40], number, axis=1)
        cv2.imwrite(str(folder / f"line{number:03}.png"), image)
    (folder / "line050.png").write_bytes(b"")
    (folder / "line150b.jpg").write_text("not an image")
    return folder


@needs_proc
def test_nothing_listens_beyond_loopback_though_ray_was_imported_before() -> None:
    addresses = addresses_listened_at(family_of(os.getpid()))
    assert len(addresses) > 5 and all(map(is_loopback, addresses)), addresses


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("files", ["shared", "ship"])
def test_written_as_by_one_process(
    scans: Path,
    model: Path,
    capsys: Capture,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    files: str,
) -> None:
    alone, together = scans.parent / f"alone.{kind}", scans.parent / f"together.{kind}"
    everything = [str(scans), "none.png", "--model", str(model), "--alternatives", "2"]
    assert main([*everything, "--quiet", "--output", str(alone)]) == 1
    capsys.readouterr()
    on_ray = ["--ray", "--ray-files", files, "--output", str(together)]
    with caplog.at_level(logging.INFO):
        assert main([*everything, *on_ray]) == 1
    assert together.read_bytes() == alone.read_bytes()
    assert "read 199 of 202 images, 3 failed" in capsys.readouterr().err
    (chosen,) = [
        message for message in caplog.messages if "reader" in message and " of " in message
    ]
    where = "sent to them" if files == "ship" else "read where they are"
    assert chosen.startswith("ray: ") and chosen.endswith(f"on this machine, files are {where}")


def test_going_on_gives_what_one_run_gives(scans: Path, model: Path) -> None:
    whole, output = scans.parent / "whole.jsonl", scans.parent / "r.jsonl"
    everything = [str(scans), "--model", str(model), "--quiet", "--output"]
    assert main([*everything, str(whole)]) == 1
    output.write_bytes(whole.read_bytes()[: len(whole.read_bytes()) // 2])
    assert main([*everything, str(output), "--resume", "--ray"]) == 1
    assert output.read_bytes() == whole.read_bytes()


def pid_of(actor: Any) -> int:
    return int(ray.get(actor.__ray_call__.remote(lambda reader: os.getpid())))


def test_a_reader_that_is_killed_loses_nothing(
    model: Path, line_images: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [np.roll(line_images[number % 40], number, axis=1) for number in range(900)]
    with Recognizer(model, device="cpu", threads=1) as recognizer:
        expected = [repr(reading) for reading in recognizer(images)]
    readers: list[Any] = []
    start = ClusterRecognizer._start

    def noted(self: ClusterRecognizer) -> tuple[Any, Any]:
        readers.append(started := start(self))
        return started

    monkeypatch.setattr(ClusterRecognizer, "_start", noted)
    killed = 0
    with ClusterRecognizer(model, device="cpu") as cluster:
        got = []
        for result in cluster.stream(images):
            got.append(repr(result))
            if len(got) in (100, 400):
                os.kill(pid_of(readers[-1][0]), signal.SIGKILL)
                killed += 1
    assert killed == 2 and len(readers) >= cluster.readers.count + 2
    assert got == expected


def test_what_readers_say_is_one_line(scans: Path, tmp_path: Path, capsys: Capture) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    for name, reason in (("broken.onnx", "cannot open the model"), ("none.onnx", "no such file")):
        arguments = [str(scans), "--model", str(tmp_path / name), "--ray", "--quiet"]
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("infer: ") and reason in line
    assert main([str(scans), "--model", "none.onnx", "--ray", "--ray-files", "ship"]) == 2
    assert "cannot read none.onnx" in capsys.readouterr().err


def test_addresses_are_fetched_by_the_readers(scans: Path, model: Path, capsys: Capture) -> None:
    pytest.importorskip("pyarrow", reason="its file systems are read from")
    output = scans.parent / "r.jsonl"
    address = scans.as_uri()
    arguments = [address, f"{address}/none.png", "--model", str(model), "--output", str(output)]
    assert main([*arguments, "--ray", "--quiet"]) == 1
    records = [json.loads(line) for line in output.read_text().splitlines()]
    named = [record["file"] for record in records]
    assert named == [
        *(f"{address}/{path.name}" for path in sorted(scans.iterdir())),
        f"{address}/none.png",
    ]
    failed = {Path(record["file"]).name: record["error"] for record in records if record["error"]}
    assert failed.keys() == {"line050.png", "line150b.jpg", "none.png"}
    assert failed["none.png"] == "no such file; check the address"


LISTENS_AT = """
from runtime.cluster.connection import connected
with connected(None) as ray:
    print(*(node["NodeManagerAddress"] for node in ray.nodes()))
"""


@pytest.mark.slow
def test_a_cluster_of_our_own_is_for_this_machine_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LISTENS_AT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["127.0.0.1"]


def test_what_cannot_be_is_refused(model: Path) -> None:
    with pytest.raises(OcrError, match="PaddleOCR's batches need all images"):
        ClusterRecognizer(model, compat="paddleocr2")
    with pytest.raises(OcrError, match="expected auto, shared, ship, got 'ftp'"):
        ClusterRecognizer(model, files="ftp")
    with (
        pytest.raises(EngineError, match=r"no GPU in the cluster|CUDA"),
        ClusterRecognizer(model, device="cuda") as cluster,
    ):
        list(cluster.stream([]))
        pytest.skip("this machine has a GPU")
