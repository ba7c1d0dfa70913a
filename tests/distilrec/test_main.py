"""The console command calls every wing's own command, and imports no more than that one needs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import runtime
from distilrec.__main__ import help_text, main
from distilrec.commands import COMMANDS
from runtime.errors import ArtifactError, OcrError
from runtime.program import DEBUG, program_name, told

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def called_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command names itself in `sys.argv` and the environment."""
    monkeypatch.setattr(sys, "argv", ["distilrec"])
    monkeypatch.setenv(DEBUG, "0")


def test_the_help_is_one_screen_with_every_command() -> None:
    lines = help_text().splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    assert all(any(line.startswith(f"  {name} ") for line in lines) for name in COMMANDS)


def test_every_command_has_its_module() -> None:
    assert all(find_spec(command.module) for command in COMMANDS.values())


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"distilrec {runtime.__version__}\n"


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["raed"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("got 'raed'; did you mean read?")


def test_usage_names_the_command_as_it_was_called(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["read", "--help"])
    assert capsys.readouterr().out.startswith("usage: distilrec read ")
    sys.argv[0] = "somewhere/__main__.py"
    assert program_name("runtime.infer") == "python -m runtime.infer"


def test_a_sub_command_gives_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", str(ROOT / "images" / "line_01.jpg"), "--format", "txt"]) == 0
    assert "Invoice 2024" in capsys.readouterr().out
    assert main(["read", "nowhere.png", "--quiet"]) != 0
    assert capsys.readouterr().err.startswith("read: ")


@pytest.mark.parametrize("first", [["--debug"], []], ids=["debug", "plain"])
def test_the_cause_of_an_error_is_shown_in_debugging_alone(
    first: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "broken.onnx"
    model.write_bytes(b"no model")
    arguments = [*first, "read", str(ROOT / "images" / "line_01.jpg"), "--model", str(model)]
    assert main(arguments) == 2
    assert ("Traceback" in capsys.readouterr().err) == bool(first)


def test_causes_are_told_behind_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        try:
            raise OSError("the disk is full")
        except OSError as error:
            raise ArtifactError("cannot write x") from error
    except OcrError as error:
        assert told(error) == "cannot write x"
        monkeypatch.setenv(DEBUG, "1")
        first, *trace = told(error).splitlines()
    assert first == "cannot write x" and "OSError: the disk is full" in trace


def test_nothing_heavy_is_imported_for_what_needs_nothing() -> None:
    code = (
        "import sys; from distilrec.__main__ import main; main(['--version']); main(['--help'])\n"
        "print(sorted({'numpy', 'cv2', 'argparse', 'training', 'export'} & {*sys.modules}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
