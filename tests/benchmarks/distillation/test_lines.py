"""Lines of packs, by width and dictionary."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.distillation.lines import choose_lines
from runtime.errors import DatasetError
from runtime.recognition.charset import Charset

CHARSET = Charset(("a", "b", " "))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    pack = tmp_path / "data" / "words"
    pack.mkdir(parents=True)
    for name, width in (("narrow", 80), ("wide", 400)):
        cv2.imwrite(str(pack / f"{name}.png"), np.zeros((64, width, 3), np.uint8))
    rows = "narrow.png\tab a\nwide.png\tab\nnarrow.png\tabc\nnarrow.png\t\n"
    for part in ("train", "val"):
        (pack / f"{part}.tsv").write_text(rows, encoding="utf-8")
    return tmp_path / "data"


def test_wide_lines_and_unknown_characters_are_left_out(data: Path, tmp_path: Path) -> None:
    lines = choose_lines(data, ["words"], 100, CHARSET, tmp_path / "lines")
    path, text = lines.train.read_text(encoding="utf-8").rstrip("\n").split("\t")
    assert (Path(path), text) == ((data / "words" / "narrow.png").resolve(), "ab a")
    assert lines.num_train == 1
    assert lines.val.read_text() == lines.val_by_pack["words"].read_text()


def test_the_width_is_that_at_32_px_of_height(data: Path, tmp_path: Path) -> None:
    assert choose_lines(data, ["words"], 200, CHARSET, tmp_path / "lines").num_train == 2


def test_a_missing_pack_and_no_line_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no pack letters"):
        choose_lines(data, ["letters"], 100, CHARSET, tmp_path / "lines")
    with pytest.raises(DatasetError, match="at most 10 px"):
        choose_lines(data, ["words"], 10, CHARSET, tmp_path / "lines")


def test_the_same_training_lines_are_drawn_again(data: Path, tmp_path: Path) -> None:
    rows = "".join(f"narrow.png\t{'ab'[index % 2] * (1 + index // 2)}\n" for index in range(40))
    (data / "words" / "train.tsv").write_text(rows, encoding="utf-8")
    texts = [
        choose_lines(data, ["words"], 100, CHARSET, tmp_path / name, num_train=10).train.read_text()
        for name in ("one", "two")
    ]
    assert texts[0] == texts[1]
    assert len(set(texts[0].splitlines())) == 10
