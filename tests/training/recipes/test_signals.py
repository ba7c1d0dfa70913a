"""Recipes end on Ctrl-C in one line."""

from __future__ import annotations

from types import ModuleType
from typing import NoReturn

import pytest

from training.recipes import fonts, latin, pack, page_lines, scores, words

COMMANDS = [
    (fonts, "convert", ["packages", "out"]),
    (latin, "read_recipe", ["--data", "packs", "--output", "out"]),
    (pack, "join", ["out.pdparams", "latest"]),
    (page_lines, "build_charset", ["train.txt", "--val", "val.txt", "--output", "out"]),
    (scores, "score", ["-c", "config.yml", "--checkpoint", "latest", "val.txt"]),
    (words, "frequent_words", ["out"]),
]


@pytest.mark.parametrize(
    ("module", "work", "arguments"),
    COMMANDS,
    ids=[module.__name__.rpartition(".")[2] for module, *_ in COMMANDS],
)
def test_ctrl_c_is_one_line_and_status_130(
    module: ModuleType,
    work: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object, **options: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, work, stop)
    monkeypatch.setattr(scores, "LOGGERS", ())  # whose levels would stay changed
    monkeypatch.setattr(scores, "log_to_stderr", lambda level: None)
    assert module.main(arguments) == 130
    name = module.__name__.rpartition(".")[2]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith(f"{name}: stopped")
