"""An export that is cut off leaves what an earlier one wrote, whole."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.checkpoint.parameters import read_parameters, write_parameters

COMMAND = [sys.executable, "-m", "export", "--network", "Student"]
STAGES = ("inference.json", "student.pdparams", "student.onnx")
TIMEOUT_S = 120


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not any(part.startswith(".export-") for part in file.parts)
    }


@pytest.fixture
def earlier(exported, tmp_path) -> Path:
    """A folder with a finished export in it."""
    return Path(shutil.copytree(exported[0], tmp_path / "out"))


@pytest.fixture
def command(small_config, checkpoint, tmp_path) -> list[str]:
    """Exports other weights than the earlier export had; the folder is to be appended."""
    parameters = dict(read_parameters(checkpoint))
    for name, array in parameters.items():
        parameters[name] = array * 1.01 if name.endswith("weight") else array
    write_parameters(tmp_path / "other.pdparams", parameters)
    return [
        *COMMAND,
        *("-c", str(small_config.path), "--checkpoint", str(tmp_path / "other.pdparams")),
        "--output-dir",
    ]


@pytest.mark.parametrize(
    "stage",
    [pytest.param(step_name, marks=pytest.mark.slow) for step_name in STAGES[:2]] + [STAGES[2]],
)
def test_a_killed_export_changes_nothing_and_the_next_one_cleans_up(earlier, command, stage):
    before = contents(earlier)
    process = subprocess.Popen([*command, str(earlier)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + TIMEOUT_S
    while not list(earlier.glob(f".export-*/**/{stage}")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    after = contents(earlier)
    assert after.keys() == before.keys()
    changed = [name for name in after if after[name] != before[name]]
    assert not changed or changed == list(after), "a set is old or new"
    done = subprocess.run([*command, str(earlier)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert contents(earlier)["student.onnx"] != before["student.onnx"]
    assert not list(earlier.glob(".export-*"))


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_an_export_that_is_asked_to_end_leaves_no_folder_and_no_process(earlier, command, number):
    before = contents(earlier)
    process = subprocess.Popen([*command, str(earlier)], stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("the system does not list the children of a process")
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := children.read_text().split()) or not list(earlier.glob(".export-*")):
        assert process.poll() is None, "it ended before it was asked to"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 128 + number
    assert "Traceback" not in said and said.splitlines()[-1].startswith("export: interrupted")
    assert contents(earlier) == before and not list(earlier.glob(".export-*"))
    assert not any(Path(f"/proc/{child}").exists() for child in found)


def test_a_full_disk_is_one_line_and_changes_nothing(earlier, command):
    """A limit on the size of files stands for it: what is written beyond is refused."""
    before = contents(earlier)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = subprocess.run(
        [*command, str(earlier)], capture_output=True, text=True, check=False, preexec_fn=limit
    )
    assert done.returncode == 2
    steps = [line for line in done.stderr.splitlines() if " values" not in line]
    assert [line.partition(" ")[0] for line in steps] == ["taking", "tracing", "cannot"], steps
    assert done.stdout == ""
    assert contents(earlier) == before
    assert not list(earlier.glob(".export-*"))
