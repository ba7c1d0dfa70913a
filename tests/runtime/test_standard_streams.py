"""Commands without standard streams, as cron and daemons start them, and with full ones."""

from __future__ import annotations

import io
import json
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import standard_streams
from runtime.standard_streams import PlainFormatter, forget_stdout, open_standard_streams, say

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")

ROOT = Path(__file__).parents[2]

OPENED = """
import os, sys
from runtime.standard_streams import open_standard_streams
closed = open_standard_streams()
print("out"), print("err", file=sys.stderr), os.write(1, b"out"), os.write(2, b"err")
with open(sys.argv[1], "w") as file:  # would get the number of a closed stream
    os.system("echo out; echo err >&2")
    print(*sorted(closed), file=file)
"""


def shell(command: list[str], streams: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f"exec {shlex.join(command)} {streams}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("streams", "closed", "out", "err"),
    [
        ("", "", 3, 3),
        (">&-", "stdout", 0, 3),
        ("2>&-", "stderr", 3, 0),
        ("<&- >&- 2>&-", "stderr stdin stdout", 0, 0),
    ],
)
def test_closed_streams_are_opened(
    tmp_path: Path, streams: str, closed: str, out: int, err: int
) -> None:
    file = tmp_path / "file"
    done = shell([sys.executable, "-c", OPENED, str(file)], streams)
    assert done.returncode == 0
    assert file.read_text().strip() == closed, "nothing else has come into it"
    assert (done.stdout.count("out"), done.stderr.count("err")) == (out, err)


@pytest.mark.parametrize("streams", ["2>&-", "<&- >&- 2>&-", ">/dev/full"])
def test_infer_writes_its_output_all_the_same(tmp_path: Path, toy_path: Path, streams: str) -> None:
    pytest.importorskip("onnxruntime", reason="the command line is run with a model")
    output = tmp_path / "r.jsonl"
    image = str(ROOT / "images" / "line_01.jpg")
    infer = [sys.executable, "-m", "runtime.infer", image, "--model", str(toy_path)]
    done = shell([*infer, "--output", str(output)], streams)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["file"] for line in output.read_text().splitlines()] == [image]
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    if streams == ">/dev/full":
        assert "nothing more is printed: No space left on device" in done.stderr


@pytest.mark.parametrize(
    ("streams", "reason"),
    [
        (">&-", "standard output is closed"),
        (">/dev/full", "cannot write the results: No space left"),
        ("2>/dev/full >&-", ""),
    ],
)
def test_infer_without_a_place_for_results_says_so(
    toy_path: Path, streams: str, reason: str
) -> None:
    pytest.importorskip("onnxruntime", reason="the command line is run with a model")
    image = str(ROOT / "images" / "line_01.jpg")
    infer = [sys.executable, "-m", "runtime.infer", image, "--model", str(toy_path)]
    done = shell(infer, streams)
    assert done.returncode == 2, done.stderr
    assert reason in done.stderr and "Traceback" not in done.stderr


def test_closed_standard_input_is_said(tmp_path: Path, toy_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the command line is run with a model")
    infer = [sys.executable, "-m", "runtime.infer", "-", "--model", str(toy_path)]
    done = shell(infer, "<&-")
    assert done.returncode == 2
    assert "infer: cannot read standard input: Bad file descriptor" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "training.check_config -c none.yml",
        "export inspect none.onnx",
        "runtime.serve --model none.onnx",
        "training.recipes.pack none.pdparams none",
    ],
)
def test_other_commands_end_as_ever(command: str) -> None:
    pytest.importorskip("yaml", reason="the other rooms need it")
    done = shell([sys.executable, "-m", *command.split()], "<&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_what_is_said_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say("a\x1b[2J\r\x9b\udcff\nb")
    assert capsys.readouterr().err == "a\\x1b[2J\\r\\x9b\\udcff\nb\n"
    record = logging.makeLogRecord({"msg": "%s", "args": ("x\x1b]0;t\x07\ny",)})
    assert PlainFormatter("%(message)s").format(record) == "x\\x1b]0;t\\x07\ny"
    full = io.StringIO()
    monkeypatch.setattr(full, "write", lambda _: (_ for _ in ()).throw(OSError(28, "No space")))
    monkeypatch.setattr(sys, "stderr", full)
    say("nobody hears it")


def test_open_streams_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.stdout, sys.stderr
    assert open_standard_streams() == frozenset()
    assert (sys.stdout, sys.stderr) == before
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    forget_stdout()
    print("nowhere")
    assert sys.stdout.name == os.devnull
    sys.stdout.close()


def test_streams_of_a_program_without_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert standard_streams.open_standard_streams() == {"stderr"}
    say("nobody hears it")
    sys.stderr.close()
