"""Every command that is listed is there."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks.__main__ import COMMANDS, main


def test_each_listed_command_can_be_run() -> None:
    for name in COMMANDS:
        found = importlib.util.find_spec(f"benchmarks.{name}")
        assert found is not None, name
        if found.submodule_search_locations is not None:
            assert importlib.util.find_spec(f"benchmarks.{name}.__main__") is not None, name


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    out = capsys.readouterr().out
    assert all(f"python -m benchmarks.{name} " in out for name in COMMANDS)
