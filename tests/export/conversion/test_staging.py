"""Files that take their places together, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from export.conversion import staging
from export.conversion.staging import staged
from runtime.errors import ArtifactError
from runtime.lock import OutputLock

_LIMITED = """
import resource, sys
from pathlib import Path
from export.conversion.staging import staged
from runtime.errors import ArtifactError

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    with staged(Path(sys.argv[1])) as folder:
        (folder / "small").write_bytes(b"new")
        (folder / "large").write_bytes(bytes(100_000))
except ArtifactError as error:
    sys.exit(str(error))
"""
_HELD = """
import sys, time
from pathlib import Path
from export.conversion.staging import staged

with staged(Path(sys.argv[1])) as folder:
    (folder / "model").write_bytes(b"new")
    print("inside", flush=True)
    time.sleep(60)
"""
_AS_NOBODY = """
import os, sys
from pathlib import Path
from export.conversion.staging import staged
from runtime.errors import ArtifactError

if os.getuid() == 0:
    os.setuid(65534)
try:
    with staged(Path(sys.argv[1])) as folder:
        (folder / "model").write_bytes(b"new")
except ArtifactError as error:
    sys.exit(str(error))
"""


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def earlier_export(target: Path) -> None:
    (target / "inference").mkdir(parents=True)
    (target / "model").write_bytes(b"old")
    (target / "inference" / "weights").write_bytes(b"old")
    (target / "notes.txt").write_bytes(b"the user's own")


EARLIER = ["inference", "inference/weights", "model", "notes.txt"]


def test_files_and_folders_take_their_places_beside_what_was_there(tmp_path: Path) -> None:
    earlier_export(tmp_path)
    with staged(tmp_path) as folder:
        (folder / "inference" / "deep").mkdir(parents=True)
        (folder / "model").write_bytes(b"new")
        (folder / "inference" / "weights").write_bytes(b"new")
        (folder / "inference" / "deep" / "more").write_bytes(b"new")
        assert (tmp_path / "model").read_bytes() == b"old"
    assert names(tmp_path) == sorted([*EARLIER, "inference/deep", "inference/deep/more"])
    for name in ("model", "inference/weights", "inference/deep/more"):
        assert (tmp_path / name).read_bytes() == b"new"
    assert (tmp_path / "notes.txt").read_bytes() == b"the user's own"


def test_the_staging_folder_lies_on_the_disk_of_the_target(tmp_path: Path) -> None:
    with staged(tmp_path / "out") as folder:
        assert folder.is_relative_to(tmp_path / "out")
        (folder / "model").write_bytes(b"new")
    assert names(tmp_path) == ["out", "out/model"]


@pytest.mark.parametrize("failure", [ValueError("bad"), KeyboardInterrupt(), SystemExit(3)])
def test_a_failure_inside_leaves_everything_as_it_was(
    tmp_path: Path, failure: BaseException
) -> None:
    earlier_export(tmp_path)
    with pytest.raises(type(failure)), staged(tmp_path) as folder:
        (folder / "model").write_bytes(b"new")
        raise failure
    assert names(tmp_path) == EARLIER
    assert (tmp_path / "model").read_bytes() == b"old"


def test_a_target_that_did_not_exist_is_gone_after_a_failure_with_its_new_parents(
    tmp_path: Path,
) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "models" / "today"
    with pytest.raises(ValueError, match="bad"), staged(target) as folder:
        (folder / "model").write_bytes(b"new")
        raise ValueError("bad")
    assert names(tmp_path) == ["there"]


def test_an_empty_target_that_was_there_before_stays(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bad"), staged(tmp_path / "."):
        raise ValueError("bad")
    assert tmp_path.is_dir() and names(tmp_path) == []


def test_a_full_disk_is_told_and_touches_nothing(tmp_path: Path) -> None:
    earlier_export(tmp_path / "out")
    child = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 1
    assert "Traceback" not in child.stderr
    assert child.stderr.startswith(f"cannot write in {tmp_path / 'out'}: File too large; give a")
    assert names(tmp_path / "out") == EARLIER
    assert (tmp_path / "out" / "model").read_bytes() == b"old"


def test_no_space_left_is_told_for_the_flush_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    earlier_export(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    told = pytest.raises(ArtifactError, match="No space left on device; give a folder")
    with told, staged(tmp_path) as folder:
        (folder / "model").write_bytes(b"new")
    assert names(tmp_path) == EARLIER
    assert (tmp_path / "model").read_bytes() == b"old"


def test_an_error_that_the_target_has_no_part_in_keeps_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staged(tmp_path):
        (tmp_path / "no such image.png").read_bytes()


def test_a_killed_process_leaves_the_earlier_files_and_the_next_run_cleans_up(
    tmp_path: Path,
) -> None:
    earlier_export(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", _HELD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "inside\n"
        beside_the_living = [name for name in names(tmp_path) if name not in EARLIER]
        with staged(tmp_path) as folder:
            (folder / "other").write_bytes(b"new")
        assert set(beside_the_living) <= set(names(tmp_path)), "a living export lost its files"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
    assert (tmp_path / "model").read_bytes() == b"old"
    assert len(names(tmp_path)) > len([*EARLIER, "other"])
    with staged(tmp_path) as folder:
        (folder / "model").write_bytes(b"new")
    assert names(tmp_path) == sorted([*EARLIER, "other"])
    assert (tmp_path / "model").read_bytes() == b"new"


def test_what_only_looks_like_a_leftover_stays(tmp_path: Path) -> None:
    (tmp_path / ".export-settings").mkdir()
    (tmp_path / ".export-12b").mkdir()
    with staged(tmp_path):
        pass
    assert names(tmp_path) == [".export-12b", ".export-settings"]


def test_two_exports_into_one_folder_from_one_process(tmp_path: Path) -> None:
    with staged(tmp_path) as outer:
        (outer / "student.onnx").write_bytes(b"model")
        with staged(tmp_path) as inner:
            (inner / "student").mkdir()
            (inner / "student" / "config.pbtxt").write_bytes(b"config")
        (outer / "student.pdparams").write_bytes(b"parameters")
    assert names(tmp_path) == [
        "student",
        "student.onnx",
        "student.pdparams",
        "student/config.pbtxt",
    ]


@pytest.mark.parametrize("name", ["file", "file/below", "n" * 300])
def test_a_target_that_cannot_be_a_folder_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"old")
    told = pytest.raises(ArtifactError, match=r"cannot write in .*; give a folder")
    with told, staged(tmp_path / name):
        pytest.fail("the block ran")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_target_that_may_not_be_written_to_is_told(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    for target in (closed, closed / "below"):
        child = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, str(target)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert child.returncode == 1
        assert "Traceback" not in child.stderr
        assert child.stderr.startswith(f"cannot write in {target}: Permission denied; give")
    assert names(closed) == []


@pytest.mark.parametrize(("earlier", "new"), [("b/kept", "b"), ("b", "b/new")])
def test_a_folder_in_a_files_place_is_met_before_any_file_moves(
    tmp_path: Path, earlier: str, new: str
) -> None:
    (tmp_path / earlier).parent.mkdir(exist_ok=True)
    (tmp_path / earlier).write_bytes(b"old")
    (tmp_path / "a").write_bytes(b"old")
    before = names(tmp_path)
    with pytest.raises(ArtifactError, match="cannot write in"), staged(tmp_path) as folder:
        (folder / new).parent.mkdir(exist_ok=True)
        (folder / new).write_bytes(b"new")
        (folder / "a").write_bytes(b"new")
    assert names(tmp_path) == before
    assert (tmp_path / "a").read_bytes() == b"old"


def test_two_exports_into_one_folder_move_their_files_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_MOST_WAITS", 2)
    hold = (
        "import sys; from runtime.lock import OutputLock\n"
        "with OutputLock(sys.argv[1]): print(flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "export")],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    other.stdout.readline()
    told = f"process {other.pid} .*name another output folder"
    with pytest.raises(ArtifactError, match=told), staged(tmp_path) as folder:
        (folder / "model").write_bytes(b"new")
    assert not (tmp_path / "model").exists()
    monkeypatch.setattr(staging.time, "sleep", lambda _: other.communicate())
    with staged(tmp_path) as folder:
        (folder / "model").write_bytes(b"new")
    assert names(tmp_path) == ["model"]


_KILLED = """
import os, signal, sys
from pathlib import Path
from export.conversion.staging import staged

num_moves = int(sys.argv[2])
rename, replace, count = Path.rename, Path.replace, [0]

def counted(move):
    def moved(self, place):
        if count[0] == num_moves:
            os.kill(os.getpid(), signal.SIGKILL)
        count[0] += 1
        return move(self, place)
    return moved

Path.rename, Path.replace = counted(rename), counted(replace)
with staged(Path(sys.argv[1])) as folder:
    (folder / "inference").mkdir()
    for name in ("model", "inference/weights", "parameters"):
        (folder / name).write_bytes(b"new")
"""


@pytest.mark.parametrize("num_moves", range(5))
def test_a_run_killed_at_any_move_leaves_no_mixture_for_long(
    tmp_path: Path, num_moves: int
) -> None:
    earlier_export(tmp_path)
    child = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), str(num_moves)],
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert child.returncode == (-signal.SIGKILL if num_moves < 4 else 0)
    with staged(tmp_path):
        pass
    new = {"model", "inference/weights", "parameters"} if num_moves else set()
    assert names(tmp_path) == sorted({*EARLIER, *new})
    for name in ("model", "inference/weights"):
        assert (tmp_path / name).read_bytes() == (b"new" if new else b"old")
    assert (tmp_path / "notes.txt").read_bytes() == b"the user's own"


@pytest.mark.parametrize("fails_at", range(3))
def test_a_move_that_fails_gives_back_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    earlier_export(tmp_path)
    replace, count = Path.replace, iter(range(100))

    def refusing(self: Path, place: Path) -> Path:
        if next(count) == fails_at:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return replace(self, place)

    monkeypatch.setattr(Path, "replace", refusing)
    with pytest.raises(ArtifactError, match="not permitted"), staged(tmp_path) as folder:
        (folder / "inference").mkdir()
        for name in ("a_new_one", "inference/weights", "model"):
            (folder / name).write_bytes(b"new")
    assert names(tmp_path) == EARLIER
    for name in ("model", "inference/weights"):
        assert (tmp_path / name).read_bytes() == b"old"


def test_a_folder_whose_lock_is_held_is_somebodys_though_no_such_process_runs_here(
    tmp_path: Path,
) -> None:
    other = tmp_path / ".export-4194304-elsewhere"  # no process has this number
    other.mkdir()
    (other / "model").write_bytes(b"half")
    with OutputLock(other), staged(tmp_path):
        pass
    assert (other / "model").exists()
    with staged(tmp_path):
        pass
    assert names(tmp_path) == []
