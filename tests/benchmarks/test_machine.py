"""The figures' surroundings: machine, revision, versions, and the file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.machine import describe_machine, git_revision, package_versions, write_result


def test_the_machine_is_described_without_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    machine = describe_machine()
    assert json.loads(json.dumps(machine)) == machine
    assert machine["cpus_available"] >= 1
    assert machine["cpu"]
    assert machine["environment"]["OMP_NUM_THREADS"] == "3"
    assert "hostname" not in machine


def test_the_revision_of_a_folder_that_is_no_checkout_is_unknown(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == {"commit": None, "is_modified": None}


def test_the_revision_tells_of_changes(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True)

    git("init", "--quiet")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "--quiet", "-m", "one")
    clean = git_revision(tmp_path)
    (tmp_path / "a").write_text("2")
    assert len(clean["commit"]) == 40
    assert clean["is_modified"] is False
    assert git_revision(tmp_path) == {**clean, "is_modified": True}


def test_versions_of_what_is_installed() -> None:
    found = package_versions(("numpy", "no-such-package-anywhere"))
    assert list(found) == ["numpy"]


def test_a_result_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "results" / "a.json"
    write_result(path, {"schema": 1, "name": "Größe"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"schema": 1, "name": "Größe"}
    assert [one.name for one in path.parent.iterdir()] == ["a.json"]
