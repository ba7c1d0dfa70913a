"""Checkpoints that a config names, found missing or damaged before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import ConfigError
from training.checkpoint.parameters import write_safetensors
from training.checkpoint.saved import save_checkpoint
from training.config import load_config
from training.plan import read_plan

WriteConfig = Callable[..., Path]
ARRAYS = {"backbone.w": np.ones((4, 4), np.float32)}
KEYS = ("Global.pretrained_model", "Global.checkpoints", "Architecture.Models.Teacher.pretrained")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "latest", ARRAYS, {"m": np.ones(2)}, {"epoch": 1})
    return tmp_path / "latest"


def problem(config: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        read_plan(load_config(config, overrides))
    return str(error.value)


@pytest.mark.parametrize("key", KEYS)
def test_what_is_missing_is_named_with_its_key(key: str, write_config: WriteConfig) -> None:
    config = write_config("run", {key: "/nowhere/weights"})
    (line,) = problem(config).splitlines()
    assert line.startswith(f"{config}:") and f"{key}: no checkpoint at /nowhere/weights" in line


def test_all_of_them_at_once(write_config: WriteConfig) -> None:
    config = write_config("run", dict.fromkeys(KEYS, "/nowhere/weights"))
    assert len(problem(config).splitlines()) == 3


@pytest.mark.parametrize("key", KEYS)
def test_what_is_there_passes(key: str, write_config: WriteConfig, prefix: Path) -> None:
    for name in (prefix, f"{prefix}.pdparams", prefix.parent):
        read_plan(load_config(write_config("run", {key: str(name)})))


@pytest.mark.parametrize("key", KEYS)
def test_a_file_cut_short_or_empty_is_found(
    key: str, write_config: WriteConfig, prefix: Path
) -> None:
    file = prefix.with_suffix(".pdparams")
    data = file.read_bytes()
    for content in (data[: len(data) // 2], b"", data + b"\0" * 10):
        file.write_bytes(content)
        assert "is damaged or cut short" in problem(write_config("run", {key: str(prefix)}))


def test_safetensors(write_config: WriteConfig, tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    write_safetensors(file, ARRAYS)
    config = write_config("run", {"Global.pretrained_model": str(file)})
    read_plan(load_config(config))
    file.write_bytes(file.read_bytes()[:20])
    assert "is damaged or cut short" in problem(config)


@pytest.mark.parametrize("suffix", [".pdopt", ".states"])
def test_a_run_resumes_from_three_files(
    suffix: str, write_config: WriteConfig, prefix: Path
) -> None:
    file = prefix.with_suffix(suffix)
    config = write_config("run", {"Global.checkpoints": str(prefix)})
    file.write_bytes(file.read_bytes()[:-1])
    assert "is damaged or cut short" in problem(config)
    file.unlink()
    assert f"no file {file}" in problem(config) and "Global.pretrained_model" in problem(config)
    read_plan(load_config(write_config("run", {"Global.pretrained_model": str(prefix)})))


def test_a_save_that_was_cut_off_can_be_resumed(write_config: WriteConfig, prefix: Path) -> None:
    for suffix in (".pdparams", ".pdopt", ".states"):
        prefix.with_suffix(suffix).rename(prefix.with_suffix(f"{suffix}.new"))
    read_plan(load_config(write_config("run", {"Global.checkpoints": str(prefix)})))


def test_where_nothing_trains_they_are_looked_for_by_whoever_reads_them(
    write_config: WriteConfig,
) -> None:
    config = load_config(write_config("run", dict.fromkeys(KEYS, "/nowhere/weights")))
    read_plan(config, ("Eval",))
