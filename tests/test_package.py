"""A wheel brings what its commands need: models, configs, dictionaries, starting weights."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

import pytest

from runtime import files

ROOT = Path(__file__).parents[1]
SHARE = "share/distilrec/"


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def brought() -> set[str]:
    """Files of the project that a wheel installs below its share, by their paths here."""
    found = set()
    for folder, patterns in setup()["options.data_files"].items():
        for pattern in patterns.split():
            matching = [path for path in ROOT.glob(pattern) if path.is_file()]
            assert matching, pattern
            for path in matching:
                name = path.relative_to(ROOT).as_posix()
                assert f"{SHARE}{name}" == f"{folder}/{path.name}", "found where it stands here"
                found.add(name)
    return found


def test_every_config_model_and_start_comes_along() -> None:
    wanted = {
        path.relative_to(ROOT).as_posix()
        for folder in ("configs", "models", "weights")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - brought() == set()


def test_every_package_is_named() -> None:
    named = setup()["options.packages.find"]["include"].split()
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"}
    assert {f"{room}*" for room in rooms} == {*named}


@pytest.mark.parametrize(
    ("packages", "share"),
    [
        ("env/lib/python3.12/site-packages", "env"),
        ("target", "target"),
        ("home/.local/lib/python3.12/site-packages", "home/.local"),
        ("elsewhere/lib/x", "prefix"),
    ],
    ids=["environment", "target", "user", "prefix"],
)
def test_it_is_found_however_the_wheel_was_installed(
    packages: str, share: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PACKAGES", tmp_path / packages)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.chdir(tmp_path)
    assert files.found_along("configs/a.txt") == Path("configs/a.txt")
    installed = tmp_path / share / SHARE / "configs" / "a.txt"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert files.found_along("configs/a.txt") == installed
    Path("configs").mkdir()
    Path("configs/a.txt").touch()
    assert files.found_along("configs/a.txt") == Path("configs/a.txt")


@pytest.mark.parametrize("name", ["../a.txt", "/nowhere/a.txt", "a" * 5000, "a\0b"])
def test_other_paths_stay_as_they_are(name: str) -> None:
    assert files.found_along(name) == Path(name)
