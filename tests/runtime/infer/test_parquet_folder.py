"""Whole files, the very records of a JSON line, and what such a folder holds already."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.errors import ArtifactError
from runtime.infer import parquet_folder
from runtime.infer.__main__ import main
from runtime.infer.parquet_folder import (
    ParquetFolder,
    drop_failed_in_folder,
    is_parquet_folder,
    make_folder,
    read_back_folder,
)
from runtime.infer.recognition.task import Reading
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.result import Recognition

parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet is written with it")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def scans(tmp_path: Path, line_images: list[NDArray[np.uint8]]) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for index, image in enumerate(line_images[:8]):
        cv2.imwrite(str(folder / f"line{index}.png"), image)
    (folder / "empty.png").write_bytes(b"")
    return folder


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parquet.read_table(folder).to_pylist()
    return found


def written(folder: Path, *names: str, may_continue: bool = False) -> None:
    make_folder(folder)
    writer = ParquetFolder(Reading(), folder, may_continue)
    for name in names:
        writer.write(Recognition(text="t", confidence=0.5, source=name))
    writer.close()


@pytest.mark.parametrize("output", ["r.parquet", "results/"])
def test_rows_are_the_records_of_json_lines(
    toy_path: Path, scans: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scans.parent)
    everything = [str(scans), "--model", str(toy_path), "--quiet", "--alternatives", "2"]
    assert main([*everything, "--output", "r.jsonl"]) == 1
    assert main([*everything, "--output", output]) == 1
    records = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    got = rows(Path(output))
    assert len(got) == 9
    for row, record in zip(got, records, strict=True):
        assert row == {"alternatives": None, **record}


def test_many_files_are_one_table_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_folder, "_RECORDS_PER_FILE", 3)
    folder = tmp_path / "r.parquet"
    names = [f"n{number}" for number in range(7)]
    written(folder, *names)
    assert [path.name for path in sorted(folder.iterdir())] == [
        f"part-0000{number}.parquet" for number in range(3)
    ]
    assert [row["file"] for row in rows(folder)] == names
    with pytest.raises(ArtifactError, match="got 3 files of them; go on with --resume"):
        written(folder, "more")
    written(folder, "odd\udcff", "n0", may_continue=True)
    done = read_back_folder(Reading(), folder)
    assert sorted(done.names.elements()) == sorted([*names, "odd\udcff", "n0"])


def test_a_run_that_ends_early_keeps_what_was_read(
    toy_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    stream = Recognizer.stream

    def interrupted(self: Recognizer, images: Iterator[str]) -> Iterator[Recognition]:
        for position, result in enumerate(stream(self, images)):
            if position == 4:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            yield result

    folder = scans.parent / "r.parquet"
    arguments = [str(scans), "--model", str(toy_path), "--output", str(folder)]
    with monkeypatch.context() as patched:
        patched.setattr(Recognizer, "stream", interrupted)
        assert main(arguments) == 130
    assert "go on with --resume" in capsys.readouterr().err
    assert len(rows(folder)) == 4
    assert main([*arguments, "--resume"]) == 1, "an image that failed before has still failed"
    names = [row["file"] for row in rows(folder)]
    assert names == sorted(str(path) for path in scans.iterdir())
    (scans / "empty.png").write_bytes((scans / "line0.png").read_bytes())
    assert main([*arguments, "--resume", "--retry-failed"]) == 0
    again = {row["file"]: row for row in rows(folder)}
    assert sorted(again) == names and len(rows(folder)) == len(names)
    assert again[str(scans / "empty.png")]["text"] == again[str(scans / "line0.png")]["text"]


def test_results_are_written_in_time_although_none_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_folder, "_SECONDS_PER_FILE", (0.05, 0.1))
    make_folder(tmp_path)
    writer = ParquetFolder(Reading(), tmp_path, may_continue=False)
    for number, name in enumerate(["a", "b"]):
        writer.write(Recognition(text="t", confidence=0.5, source=name))
        part = tmp_path / f"part-0000{number}.parquet"
        deadline = time.monotonic() + 60
        while not part.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert part.exists(), "written while the run waits for the next result"
    writer.close()
    assert [row["file"] for row in rows(tmp_path)] == ["a", "b"]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_written_is_counted_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path)
    writer = ParquetFolder(Reading(), tmp_path, may_continue=False)
    writer.write(Recognition(text="t", confidence=0.5, source="a"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space")))
        with pytest.raises(ArtifactError, match="1 results are not written: make room"):
            writer.close()
    assert not list(tmp_path.iterdir())
    writer.close()
    assert [row["file"] for row in rows(tmp_path)] == ["a"]


def test_failed_results_are_taken_out_file_by_file(tmp_path: Path) -> None:
    make_folder(tmp_path)
    for errors in ([None, "bad"], ["bad"], [None]):
        writer = ParquetFolder(Reading(), tmp_path, may_continue=True)
        for error in errors:
            writer.write(Recognition(text="", confidence=0.0, source="x", error=error))
        writer.close()
    assert read_back_folder(Reading(), tmp_path).num_failed == 2
    drop_failed_in_folder(Reading(), tmp_path)
    done = read_back_folder(Reading(), tmp_path)
    assert (done.num_failed, done.names["x"]) == (0, 2)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "part-00000.parquet",
        "part-00002.parquet",
    ]


def test_other_files_are_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"no parquet")
    with pytest.raises(ArtifactError, match="expected results of this command"):
        read_back_folder(Reading(), tmp_path)
    assert not read_back_folder(Reading(), tmp_path / "none").names
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot make the folder"):
        make_folder(tmp_path / "file" / "r.parquet")


def test_what_is_meant_for_parquet(tmp_path: Path) -> None:
    assert is_parquet_folder("a.PARQUET") and is_parquet_folder("a/")
    assert is_parquet_folder(tmp_path) and not is_parquet_folder(tmp_path / "a.jsonl")
