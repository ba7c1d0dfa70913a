"""The figures' surroundings: machine, revision, versions, and the file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.measuring import machine as machine_module
from benchmarks.measuring.machine import (
    busy_cpus,
    describe_machine,
    git_revision,
    is_busy,
    package_versions,
)


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


def test_cpus_that_others_keep_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 400 ticks meanwhile, 100 idle and 100 waiting for a disk: half of four CPUs is two."""
    times = tmp_path / "stat"
    times.write_text("cpu 10 0 10 100 20 0 0 0 7 7\ncpu0 1 2 3\n")

    def meanwhile(_: float) -> None:
        times.write_text("cpu 150 0 70 200 120 0 0 0 9 9\ncpu0 1 2 3\n")

    monkeypatch.setattr(machine_module.time, "sleep", meanwhile)
    monkeypatch.setattr(machine_module.os, "cpu_count", lambda: 4)
    assert busy_cpus(times=times) == 2.0
    assert busy_cpus(times=tmp_path / "none") is None


def test_busy_is_more_than_a_tenth() -> None:
    assert is_busy({"busy_cpus": 0.3, "cpus_available": 2})
    assert not is_busy({"busy_cpus": 0.1, "cpus_available": 2})
    assert not is_busy({"busy_cpus": None, "cpus_available": 2})
    assert not is_busy({"cpus_available": 2})
