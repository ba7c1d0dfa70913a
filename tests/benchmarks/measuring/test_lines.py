from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.measuring.lines import LabelledLine, find_lines, read_lines, write_lines
from runtime.errors import DatasetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 20, 3), np.uint8))
    (tmp_path / "train.tsv").write_text("a.png\tTotal 5\nb.png\té\t1\n", encoding="utf-8")
    (tmp_path / "val.tsv").write_text("c.png\tx\n", encoding="utf-8")
    (tmp_path / "ATTRIBUTION.txt").write_text("thanks\n", encoding="utf-8")
    return tmp_path


def test_label_files_of_a_folder_are_read_by_name(folder: Path) -> None:
    lines = find_lines(folder, 10)
    assert [(Path(line.path).name, line.text) for line in lines] == [
        ("a.png", "Total 5"),
        ("b.png", "é\t1"),
        ("c.png", "x"),
    ]
    assert find_lines(folder, 2) == lines[:2]
    assert find_lines(folder / "val.tsv", 10) == lines[2:]


def test_a_folder_without_labels_gives_its_images(folder: Path) -> None:
    for file in folder.glob("*.t*"):
        file.unlink()
    assert [line.text for line in find_lines(folder, 10)] == [None] * 3


def test_nothing_to_measure_on_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"no file .*b\.png"):
        find_lines(folder, 10)
    with pytest.raises(DatasetError, match="got no lines"):
        find_lines(tmp_path / "none", 10)


def test_lines_come_back_from_their_file(tmp_path: Path) -> None:
    lines = [LabelledLine("a.png", "é"), LabelledLine("b.png", None)]
    write_lines(tmp_path / "lines.json", lines)
    assert read_lines(tmp_path / "lines.json") == lines


def test_packs_take_turns(tmp_path: Path) -> None:
    for pack, names in (("one", "ab"), ("two", "c")):
        (tmp_path / pack).mkdir()
        for name in names:
            cv2.imwrite(str(tmp_path / pack / f"{name}.png"), np.zeros((8, 20, 3), np.uint8))
        rows = "".join(f"{name}.png\t{name}\n" for name in names)
        (tmp_path / pack / "val.tsv").write_text(rows, encoding="utf-8")
    assert [line.text for line in find_lines(tmp_path, 10)] == ["a", "c", "b"]
