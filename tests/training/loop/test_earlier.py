"""A second run in the same folder: the first one's files are kept under its date."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from training.loop.earlier import set_aside

FILES = ("latest.pdparams", "latest.states", "best_accuracy.pdopt", "iter_epoch_3.pdema")
OTHERS = ("metrics.jsonl", "curves.png", "worst.html")


def test_an_earlier_run_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in (*FILES, *OTHERS, "notes.txt"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    place = set_aside(tmp_path)
    assert place is not None and re.fullmatch(r"earlier_2023-11-1\d_\d\d-\d\d-20", place.name)
    assert {file.name: file.read_text() for file in place.iterdir()} == {
        name: name for name in (*FILES, *OTHERS)
    }
    assert [file.name for file in sorted(tmp_path.iterdir())] == [place.name, "notes.txt"]
    assert f"-o Global.checkpoints={place / 'latest'}" in caplog.text


def test_two_of_the_same_second_are_told_apart(tmp_path: Path) -> None:
    places = []
    for _ in range(2):
        (tmp_path / FILES[0]).write_text("")
        os.utime(tmp_path / FILES[0], (1_700_000_000, 1_700_000_000))
        places.append(set_aside(tmp_path))
    assert places[0] is not None and places[1] is not None
    assert places[1].name == f"{places[0].name}_2"


@pytest.mark.parametrize("name", [*OTHERS, "train.txt"])
def test_a_folder_without_checkpoints_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert set_aside(tmp_path) is None
    assert [file.name for file in tmp_path.iterdir()] == [name]
