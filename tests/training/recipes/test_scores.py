"""A row of exact matches for each label file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.checkpoint.parameters import arrays_of, write_parameters
from training.config import load_config
from training.recipes.scores import main
from training.run import build_run


@pytest.fixture
def checkpoint(write_config: Callable[..., Path], tmp_path: Path) -> Path:
    run = build_run(load_config(write_config()))
    write_parameters(tmp_path / "latest.pdparams", arrays_of(run.model))
    return tmp_path / "latest"


def test_rows_and_figures(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for name, texts in (("one", ("abc", "de")), ("two", ("ijk",))):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(len(texts)):
            cv2.imwrite(str(folder / f"{number}.png"), np.zeros((32, 70, 3), np.uint8))
        lines = [f"{number}.png\t{text}\n" for number, text in enumerate(texts)]
        (folder / "val.tsv").write_text("".join(lines), encoding="utf-8")
        files.append(str(folder / "val.tsv"))
    dataset = 'Eval.dataset={"name": "SimpleDataSet", "transforms": [{"DecodeImage": null}, '
    dataset += '{"CTCLabelEncode": null}, {"RecResizeImg": {"image_shape": [3, 32, 96]}}, '
    dataset += '{"KeepKeys": {"keep_keys": ["image", "label", "length"]}}]}'
    figures = tmp_path / "figures.json"
    arguments = ["-c", str(tmp_path / "run.yml"), "--checkpoint", str(checkpoint), "-o", dataset]
    assert main([*arguments, "--output", str(figures), *files]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["lines", "Student", "Teacher"]
    assert first.split()[:2] == ["one", "2"] and second.split()[:2] == ["two", "1"]
    assert json.loads(figures.read_text())["one"]["networks"]["Student"]["acc"] == 0.0


def test_no_such_checkpoint(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-c", str(tmp_path / "run.yml"), "--checkpoint", str(tmp_path / "none")]
    assert main([*arguments, str(tmp_path / "val.tsv")]) == 2
    assert capsys.readouterr().err.startswith("scores: ")
