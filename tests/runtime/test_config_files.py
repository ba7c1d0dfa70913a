"""Configs are found by path and by name, in the working folder first."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from runtime import files
from runtime.config_files import configs_along, find_config
from runtime.errors import ConfigError
from training.config import load_config

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The share of an installed package; the working folder is an empty one."""
    packages = tmp_path / "env" / "lib" / "python3" / "site-packages"
    share = tmp_path / "env" / "share" / "distilrec"
    for name in ("a", "first/b", "second/b"):
        file = share / "configs" / f"{name}.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"Global: {{name: {name}}}\n")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setattr(files, "_PACKAGES", packages)
    monkeypatch.chdir(work)
    files._tell_of.cache_clear()
    return share


@pytest.mark.parametrize("named", ["a", "configs/a", "configs/a.yml"])
def test_one_that_comes_along_is_found(
    installed: Path, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = load_config(named)
    assert config.path == installed / "configs" / "a.yml"
    assert config.sections == {"Global": {"name": "a"}}
    if named.endswith(".yml"):
        assert f"what comes along is taken: {config.path}" in caplog.text


def test_the_working_folder_comes_first(installed: Path) -> None:
    Path("configs").mkdir()
    Path("configs/a.yml").write_text("Global: {name: own}\n")
    assert load_config("configs/a.yml").sections == {"Global": {"name": "own"}}


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("b", "expected one config, got first/b, second/b; name one"),
        ("firts/b", r"one of 3 names .* got neither; did you mean first/b\?"),
        ("c.yml", "cannot read the config c.yml: No such file"),
        ("../a.yml", "cannot read the config ../a.yml: No such file"),
    ],
)
def test_what_is_not_there_or_not_one_is_told(installed: Path, named: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(named)


def test_a_checkout_has_its_own_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config("fine_tune") == ROOT / "configs" / "fine_tune.yml"
    assert find_config("configs/small.yml") == ROOT / "configs" / "small.yml"
    assert {"fine_tune", "gain/student", "recognition/RepSVTR_rec"} <= {*configs_along()}
