"""Whole files, the very records of a JSON line, and what such a folder holds already."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime import parquet_folder
from runtime.errors import ArtifactError
from runtime.infer import main
from runtime.parquet_folder import ParquetFolder, is_parquet_folder, read_back_folder
from runtime.recognition import Recognition
from runtime.recognizer import Recognizer

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
    writer = ParquetFolder(folder, may_continue)
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
    assert [one.name for one in sorted(folder.iterdir())] == [
        f"part-0000{number}.parquet" for number in range(3)
    ]
    assert [row["file"] for row in rows(folder)] == names
    with pytest.raises(ArtifactError, match="got 3 files of them; go on with --resume"):
        written(folder, "more")
    written(folder, "odd\udcff", "n0", may_continue=True)
    done = read_back_folder(folder)
    assert sorted(done.names.elements()) == sorted([*names, "odd\udcff", "n0"])


def test_a_run_that_ends_early_keeps_what_was_read(
    toy_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    stream = Recognizer.stream

    def interrupted(self: Recognizer, images: Iterator[str]) -> Iterator[Recognition]:
        for position, one in enumerate(stream(self, images)):
            if position == 4:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            yield one

    folder = scans.parent / "r.parquet"
    arguments = [str(scans), "--model", str(toy_path), "--output", str(folder)]
    with monkeypatch.context() as patched:
        patched.setattr(Recognizer, "stream", interrupted)
        assert main(arguments) == 130
    assert "go on with --resume" in capsys.readouterr().err
    assert len(rows(folder)) == 4
    assert main([*arguments, "--resume"]) == 0
    names = [row["file"] for row in rows(folder)]
    assert names == sorted(str(path) for path in scans.iterdir())


def test_other_files_are_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"no parquet")
    with pytest.raises(ArtifactError, match="expected results of this command"):
        read_back_folder(tmp_path)
    assert not read_back_folder(tmp_path / "none").names
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot make the folder"):
        ParquetFolder(tmp_path / "file" / "r.parquet", may_continue=False)


def test_what_is_meant_for_parquet(tmp_path: Path) -> None:
    assert is_parquet_folder("a.PARQUET") and is_parquet_folder("a/")
    assert is_parquet_folder(tmp_path) and not is_parquet_folder(tmp_path / "a.jsonl")
