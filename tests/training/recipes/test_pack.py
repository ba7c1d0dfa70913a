"""Packed weights: 16 bits, joined networks, nothing that does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runtime.errors import CheckpointError
from training.checkpoint.parameters import read_parameters, write_parameters
from training.recipes.pack import join, main, packed


def write(path: Path, value: float, network: str = "") -> Path:
    write_parameters(path, {f"{network}backbone.weight": np.full(3, value, np.float32)})
    return path


def test_one_checkpoint(tmp_path: Path) -> None:
    source = write(tmp_path / "latest.pdparams", 0.1)
    assert main([str(tmp_path / "kept.pdparams"), str(source.with_suffix(""))]) == 0
    kept = read_parameters(tmp_path / "kept.pdparams")
    assert kept["backbone.weight"].dtype == np.float16
    assert np.allclose(kept["backbone.weight"], 0.1, rtol=1e-3)


def test_networks_of_several_checkpoints(tmp_path: Path) -> None:
    student = write(tmp_path / "a.pdparams", 1.0)
    teacher = write(tmp_path / "b.pdparams", 2.0, "Teacher.")
    joint = join([f"Student={student}", f"Teacher={teacher}"])
    assert list(joint) == ["Student.backbone.weight", "Teacher.backbone.weight"]
    assert joint["Teacher.backbone.weight"][0] == 2.0
    with pytest.raises(CheckpointError, match="NETWORK=CHECKPOINT for each"):
        join([f"Student={student}", str(teacher)])


def test_too_large_for_16_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "latest.pdparams", 1e6)
    assert main([str(tmp_path / "kept.pdparams"), str(source)]) == 2
    assert "expected at most 65504, got 1e+06" in capsys.readouterr().err
    assert not (tmp_path / "kept.pdparams").exists()
    counts = {"head.steps": np.array([7], np.int64)}
    assert packed(counts, "x")["head.steps"].dtype == np.int64
