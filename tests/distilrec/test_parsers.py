"""Parsers are those of the commands themselves, and shells complete what these parse."""

from __future__ import annotations

import sys

import pytest

from distilrec.commands import COMMANDS
from distilrec.completion import SHELLS, completion_for, whole_parser
from distilrec.parsers import parser_of
from runtime.errors import OcrError


@pytest.fixture(autouse=True)
def called_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["distilrec"])


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "doctor"])
def test_a_parser_knows_its_options(name: str) -> None:
    if name in ("label", "render", "export"):
        pytest.importorskip("paddle", reason="these commands are of training")
    assert "usage:" in parser_of(name).format_usage()


def test_training_commands_take_a_config() -> None:
    options = parser_of("train").parse_args(["-c", "fine_tune", "-o", "Global.epoch_num=1"])
    assert str(options.config) == "fine_tune"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_and_their_options(shell: str) -> None:
    pytest.importorskip("shtab", reason="it writes the script")
    script = completion_for(shell)
    for word in ("check-config", "detect-only", "prove-cpu"):
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
