from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import lock
from runtime.errors import ArtifactError
from runtime.lock import OutputLock

_HOLDER = """
import sys, time
from runtime.lock import OutputLock
with OutputLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_file_is_held_by_one_run_and_nothing_is_left(tmp_path: Path) -> None:
    place = tmp_path / "results.jsonl"
    with OutputLock(place):
        with pytest.raises(ArtifactError) as caught, OutputLock(place):
            pass
        assert f"process {os.getpid()} on {socket.gethostname()}, since 20" in str(caught.value)
        assert "name another --output" in str(caught.value)
    assert not list(tmp_path.iterdir())
    with OutputLock(place):
        pass


def test_folder_is_held_within(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with OutputLock(tmp_path / "model", "Global.save_model_dir") as held:
        assert held.path == tmp_path / "model" / ".lock"
        with (
            pytest.raises(ArtifactError, match=r"another Global\.save_model_dir"),
            OutputLock(f"{tmp_path}/model/", "Global.save_model_dir"),
        ):
            pass
    assert not list((tmp_path / "model").iterdir())


def test_two_names_of_one_file_share_a_lock(tmp_path: Path) -> None:
    (tmp_path / "results.csv").touch()
    (tmp_path / "latest.csv").symlink_to("results.csv")
    with (
        OutputLock(tmp_path / "results.csv"),
        pytest.raises(ArtifactError),
        OutputLock(tmp_path / "latest.csv"),
    ):
        pass


def test_lock_of_a_killed_run_is_free_at_once(tmp_path: Path) -> None:
    place = tmp_path / "results.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(place)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ArtifactError, match=f"process {holder.pid} on "), OutputLock(place):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert OutputLock(place).path.exists()
        with OutputLock(place):
            pass
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked off here")
def test_processes_forked_off_neither_keep_nor_remove_it(tmp_path: Path) -> None:
    place = tmp_path / "results.jsonl"
    reader, writer = os.pipe()
    held = OutputLock(place)
    with held:
        child = os.fork()
        if not child:
            held.__exit__(None, None, None)
            os.close(writer)
            os.read(reader, 1)  # until the parent closes its end
            os._exit(0)
        assert held.path.exists()
    with OutputLock(place):  # free, although the child lives
        os.close(writer)
        assert os.waitpid(child, 0)[1] == 0
        assert held.path.exists()
    os.close(reader)


def test_file_removed_while_it_is_opened_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "results.jsonl"
    genuine, calls = lock._lock, []

    def lock_late(descriptor: int) -> bool:
        calls.append(descriptor)
        if len(calls) == 1:
            OutputLock(place).path.unlink()  # its last owner ends just now
        return genuine(descriptor)

    monkeypatch.setattr(lock, "_lock", lock_late)
    with OutputLock(place), pytest.raises(ArtifactError), OutputLock(place):
        pass
    assert len(calls) == 3


def test_file_system_without_locks_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(descriptor: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_lock", refuse)
    with caplog.at_level(logging.WARNING), OutputLock(tmp_path / "results.jsonl"):
        assert "results.jsonl (No locks available): see to it" in caplog.text


def test_place_that_cannot_be_written_is_left_to_the_writer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with OutputLock(tmp_path / "absent" / "results.jsonl"), OutputLock("/dev/null"):
        assert not caplog.text
    assert not Path("/dev/.null.lock").exists()


def test_link_in_place_of_the_lock_is_not_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "precious").write_text("kept")
    place = tmp_path / "results.jsonl"
    OutputLock(place).path.symlink_to("precious")
    with caplog.at_level(logging.WARNING), OutputLock(place):
        assert "no lock for" in caplog.text
    assert (tmp_path / "precious").read_text() == "kept"


def test_owner_that_steers_terminals_is_printed_harmlessly(tmp_path: Path) -> None:
    place = tmp_path / "results.jsonl"
    with OutputLock(place) as held:
        held.path.write_bytes(b"\x1b]0;title\x07\xff" + b"x" * 10_000)
        with pytest.raises(ArtifactError) as caught, OutputLock(place):
            pass
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1000
