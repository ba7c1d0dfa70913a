"""Sessions of our own clusters are taken away, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.cluster import sessions
from runtime.cluster.sessions import bounded, remove_old
from runtime.lock import OutputLock

HOUR = 3600.0


def session(folder: Path, number: int, is_ours: bool = True) -> Path:
    """A session as Ray leaves it, an hour old."""
    path = folder / f"session_2026-01-01_00-00-{number:02}_000000_{number}"
    (path / "logs").mkdir(parents=True)
    (path / "logs" / "raylet.out").write_text("started\n")
    (path / "sockets").mkdir()
    if is_ours:
        (path / sessions._MARK).touch()
        os.utime(path / sessions._MARK, (time.time() - HOUR,) * 2)
    return path


def test_a_session_is_gone_when_its_block_ends_well(tmp_path: Path) -> None:
    own = session(tmp_path, 1, is_ours=False)
    (tmp_path / "session_latest").symlink_to(own)
    with bounded(own):
        assert (own / "logs" / "raylet.out").exists()
    assert not [*tmp_path.iterdir()]


def test_a_failure_leaves_its_logs_until_the_next_but_one(tmp_path: Path) -> None:
    own = session(tmp_path, 1, is_ours=False)
    with pytest.raises(ValueError, match="failed"), bounded(own):
        raise ValueError("failed")
    assert (own / "logs" / "raylet.out").exists()
    os.utime(own / sessions._MARK, (time.time() - HOUR,) * 2)
    remove_old(tmp_path)
    assert own.exists()
    later = session(tmp_path, 2)
    remove_old(tmp_path)
    assert later.exists() and not own.exists()


def test_only_sessions_that_were_ours_and_are_left_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_KEPT", 0)
    left, foreign, young, used = (session(tmp_path, number, number != 2) for number in range(1, 5))
    (young / sessions._MARK).touch()
    elsewhere = session(tmp_path / "elsewhere", 5)
    (tmp_path / "session_2026-01-01_00-00-06_000000_6").symlink_to(elsewhere)
    (tmp_path / "session_note").write_text("no session")
    process = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()", str(used)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdout.readline()  # it is what it will be
    try:
        remove_old(tmp_path)
    finally:
        process.communicate(b"\n")
    assert not left.exists()
    assert foreign.exists() and young.exists() and elsewhere.exists()
    assert (tmp_path / "session_note").exists()
    assert used.exists() == sessions._PROCESSES.is_dir()


def test_a_session_whose_starter_lives_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_KEPT", 0)
    living = session(tmp_path, 1)
    with OutputLock(living / sessions._MARK):
        child = (
            "from runtime.cluster.sessions import *; import runtime.cluster.sessions as it, sys\n"
            "from pathlib import Path; it._KEPT = 0; remove_old(Path(sys.argv[1]))"
        )
        subprocess.run([sys.executable, "-c", child, str(tmp_path)], check=True)
        assert (living / "logs" / "raylet.out").exists()
    remove_old(tmp_path)
    assert not living.exists()


def test_without_a_session_nothing_is_done(tmp_path: Path) -> None:
    with bounded(None), bounded(tmp_path / "absent"):
        pass
    assert not [*tmp_path.iterdir()]
