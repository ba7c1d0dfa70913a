"""Runs that an image holds up for ever end all the same, with what was read before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnxruntime", reason="the command line is run with a model")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")

ROOT = Path(__file__).parents[2]

STUCK = '''
import ctypes, sys, threading
from runtime.infer import interruption
from runtime.images import loading
from runtime.infer import parquet_folder
from runtime.images import sources
from runtime.infer.__main__ import main

interruption.SECONDS_TO_FINISH = interruption.SECONDS_TO_LEAVE = 0.5
parquet_folder._SECONDS_PER_FILE = (float(sys.argv[2]), 1000.0)

def compiled():
    """Locks a mutex twice: neither a signal nor Python ends that."""
    mutex = ctypes.create_string_buffer(256)
    lock = ctypes.CDLL(None).pthread_mutex_lock
    while True:
        lock(mutex)

def busy():
    while True:
        pass

def waiting():
    threading.Event().wait()

stuck = {"compiled": compiled, "busy": busy, "waiting": waiting}[sys.argv[1].split("-")[0]]
in_main = sys.argv[1].endswith("-main")
module, name = (sources, "file_pages") if in_main else (loading, "read_image")
genuine = getattr(module, name)

def patched(source, *rest):
    if "hang" in str(source):
        stuck()
    return genuine(source, *rest)

setattr(module, name, patched)
sys.exit(main(sys.argv[3:]))
'''


@pytest.fixture
def images(tmp_path: Path, line_images: list[NDArray[np.uint8]]) -> list[str]:
    names = [str(tmp_path / name) for name in ("a.png", "b.png", "hang.png", "z.png")]
    for name, image in zip(names, line_images, strict=False):
        cv2.imwrite(name, image)
    return names


def started(kind: str, *arguments: str, seconds_per_file: float = 1000.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STUCK, kind, str(seconds_per_file), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, length: int = 1) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.exists() and len(path.read_bytes().splitlines()) >= length:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", ["waiting", "busy", "compiled", "busy-main", "compiled-main"])
def test_stuck_run_is_left(
    images: list[str], toy_path: Path, kind: str, number: signal.Signals
) -> None:
    output = toy_path.parent / "r.jsonl"
    options = ["--model", str(toy_path), "--threads", "2", "--output", str(output)]
    with started(kind, *images, *options) as process:
        # The pages of an image are looked for ahead of the reading, here as far as it gets.
        if not kind.endswith("-main"):
            wait_for(output, 2)
        else:
            assert process.stderr is not None
            process.stderr.readline()  # the model is open
            time.sleep(0.5)
        process.send_signal(number)
        printed, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said and "infer: interrupted" in said.splitlines()[-1]
    read = (
        [json.loads(line)["file"] for line in output.read_text().splitlines()]
        if (output.exists())
        else []
    )
    assert read == images[: len(read)]
    if not kind.endswith("-main"):
        assert read == images[:2] and "go on with --resume" in said
        assert images[0] in printed and images[1] in printed, "the table's rows held are printed"
        assert "read 2 of 2 images" in said
    left = {path.name for path in toy_path.parent.iterdir()}
    assert left <= {*(Path(name).name for name in images), "toy.onnx", "r.jsonl", ".r.jsonl.run"}


def test_second_signal_leaves_a_stuck_run_sooner(images: list[str], toy_path: Path) -> None:
    output = toy_path.parent / "r.csv"
    with started(
        "compiled", *images, "--model", str(toy_path), "--quiet", "--output", str(output)
    ) as process:
        wait_for(output, 3)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert len(output.read_text().splitlines()) == 3


def test_parquet_part_is_written_by_a_stuck_run(images: list[str], toy_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet is written with it")
    output = toy_path.parent / "r.parquet"
    command = [*images, "--model", str(toy_path), "--format", "jsonl", "--output", str(output)]
    with started("compiled", *command) as process:
        wait_for(output.with_name(f"{output.name}") / ".run")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    names = [row["file"] for row in parquet.read_table(output).to_pylist()]
    assert names and names == images[: len(names)]
    assert {path.name for path in output.iterdir()} == {"part-00000.parquet", ".run"}


@pytest.mark.parametrize("name", ["r.jsonl", "r.parquet"])
def test_killed_run_has_left_its_results(images: list[str], toy_path: Path, name: str) -> None:
    output = toy_path.parent / name
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="Parquet is written with it")
    command = [*images, "--model", str(toy_path), "--quiet", "--output", str(output)]
    with started("compiled", *command, seconds_per_file=1.0) as process:
        if name.endswith(".parquet"):
            wait_for(output / "part-00000.parquet")
        else:
            wait_for(output, 2)
        process.kill()
        process.communicate(timeout=120)
    done = subprocess.run(
        [sys.executable, "-m", "runtime.infer", *command, "--resume"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if name == "r.jsonl":
        assert [json.loads(line)["file"] for line in output.read_text().splitlines()] == images
    assert not [path.name for path in output.parent.iterdir() if path.name.endswith(".lock")]
