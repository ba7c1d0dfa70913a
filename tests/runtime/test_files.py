"""A file is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ArtifactError
from runtime.files import (
    folders_along,
    sha256_of,
    sha256_of_file,
    short_name,
    write_atomically,
    written_atomically,
)


def test_writes_and_replaces_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.bin"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file.bin"
    write_atomically(path, b"old")

    def refuse(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), refuse)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_the_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("older")
    with pytest.raises(RuntimeError), written_atomically(path) as stream:
        stream.write("half")
        raise RuntimeError
    assert path.read_text() == "older"
    with written_atomically(path) as stream:
        stream.write("whole\n")
        assert path.read_text() == "older"
    assert path.read_text() == "whole\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.jsonl"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with written_atomically(tmp_path / "link") as stream:
        stream.write("x")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "x"


@pytest.mark.parametrize("place", ["", "/dev/null", "none/r.jsonl"])
def test_an_impossible_place_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ArtifactError, match="cannot write"), written_atomically(tmp_path / place):
        pass


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    with (
        pytest.raises(ArtifactError, match="No space left"),
        written_atomically(tmp_path / "r.jsonl") as stream,
    ):
        stream.write("half")
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"bytes")
    assert sha256_of_file(tmp_path / "file.bin") == sha256_of(b"bytes")


def test_the_name_of_what_comes_along_is_short() -> None:
    along = folders_along()[0] / "models" / "latin" / "student.onnx"
    assert short_name(along) == "models/latin/student.onnx"
    assert short_name(Path("elsewhere") / "a.onnx") == str(Path("elsewhere") / "a.onnx")
