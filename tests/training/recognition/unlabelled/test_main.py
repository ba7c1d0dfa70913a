"""The command that lets a teacher label images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.recognition.teacher.taught import config_of_taught
from training.recognition.unlabelled.__main__ import main

pytest.importorskip("onnxruntime", reason="teachers run in it")

WriteConfig = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path, write_config: WriteConfig) -> Path:
    return config_of_taught(tmp_path, write_config)


def test_it_labels_and_says_what_became_of_the_lines(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made" / "labels.tsv"
    images, options = str(tmp_path), ["--output", str(output), "--least-confidence", "0.3"]
    assert main([images, "-c", str(config), *options]) == 0
    said = capsys.readouterr().out
    assert "3 have no counterpart" in said and "10 lines read in 10 images" in said
    expected = output.read_bytes()
    assert f"{output}: {len(expected.splitlines())} labels" in said
    # The teacher may be named, as the config names it or another one.
    output.unlink()
    named = [images, "-c", str(config), *options, "--teacher", str(tmp_path / "teacher.onnx")]
    assert main(named) == 0
    assert output.read_bytes() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--teacher", "nowhere.onnx"], "nowhere.onnx"),
        (["--teacher", "labels.txt"], "expected a file ending in .onnx, got 'labels.txt'"),
        (["--views", "9"], "--views: expected 1 to 3, got 9"),
        (["--least-confidence", "2"], "--least-confidence: expected 0 to 1"),
        (["-o", "Global.character_dict_path=nowhere.txt"], "nowhere.txt"),
        (["-o", "Architecture.Models={}"], "names 0 teachers that are ONNX files"),
    ],
    ids=lambda given: str(given)[:30],
)
def test_what_is_wrong_is_said(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    output = tmp_path / "made" / "labels.tsv"
    assert main([str(tmp_path), "-c", str(config), "--output", str(output), *options]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_it_stops_when_told_to(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.recognition.unlabelled.__main__.label", stop)
    assert main([str(tmp_path), "-c", str(config), "--output", str(tmp_path / "l.tsv")]) == 130
    assert "the same command goes on" in capsys.readouterr().err
