"""Parsers are those of the commands themselves, and shells complete what these parse."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from distilrec.__main__ import main
from distilrec.commands import COMMANDS
from distilrec.completion import SHELLS, completion_for, own_parser, whole_parser
from distilrec.parsers import parser_of
from runtime.errors import OcrError


@pytest.fixture(autouse=True)
def called_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["distilrec"])


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "doctor"])
def test_a_parser_knows_its_options(name: str) -> None:
    if COMMANDS[name].module.startswith(("training", "export")):
        pytest.importorskip("tqdm", reason="these commands are of training")
    assert "usage:" in parser_of(name).format_usage()


PRINT_NO_RESULT = ("read", "serve", "export", "completion")
"""`read` has formats, `export` prints JSON by itself."""


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in PRINT_NO_RESULT])
def test_what_prints_a_result_prints_it_for_programs_too(name: str) -> None:
    pytest.importorskip("tqdm", reason="most of these commands are of training")
    assert "--json" in own_parser(name).format_help()


def test_labels_are_a_command_as_they_are_a_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"{number}.png\tno {number}\n" for number in range(40)))
    arguments = [str(labels), "--output", str(tmp_path / "parts")]
    assert main(["split", *arguments, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert sum(count["lines"] for count in counts.values()) == 40
    assert main(["dictionary", str(labels), "--output", str(tmp_path / "dict"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["has_spaces"] is True
    with pytest.raises(SystemExit):
        main(["check-labels", "--help"])
    assert capsys.readouterr().out.startswith("usage: distilrec check-labels ")


def test_training_commands_take_a_config() -> None:
    options = parser_of("train").parse_args(["-c", "fine_tune", "-o", "Global.epoch_num=1"])
    assert str(options.config) == "fine_tune"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_and_their_options(shell: str) -> None:
    pytest.importorskip("shtab", reason="it writes the script")
    script = completion_for(shell)
    for word in ("check-config", "detect-only", "prove-cpu", "trained", "to-lmdb", "group"):
        assert word in script


def test_without_shtab_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(OcrError, match=r"pip install 'distilrec\[completion\]'"):
        completion_for("bash")


def test_commands_whose_packages_are_missing_are_completed_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("distilrec.completion.parser_of", absent)
    whole, missing = whole_parser()
    assert "train" in missing and "train" in whole.format_help()
