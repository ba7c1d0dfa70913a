"""A run's folder: writable, locked, and told in one line where it is not."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import ArtifactError, ConfigError
from training.config import Config, load_config
from training.output_folder import (
    prove_writable,
    refuse_unwritable_file,
    run_folder,
    translate_disk_errors,
)

WriteConfig = Callable[..., Path]


def of(folder: Path) -> tuple[Config, Path]:
    config = Config(
        Path("a.yml"),
        {"Global": {"save_model_dir": str(folder)}},
        {"Global": 1, "Global.save_model_dir": 3},
    )
    return config, folder


def test_a_folder_is_made_and_removed_again_if_it_stayed_empty(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with run_folder(*of(folder)) as made:
        assert made == folder and folder.is_dir()
    assert not (tmp_path / "a").exists()
    with run_folder(*of(folder)):
        (folder / "latest").touch()
    assert [path.name for path in folder.iterdir()] == ["latest"]


def test_a_file_and_what_is_below_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with (
            pytest.raises(
                ConfigError, match=r"^a\.yml:3: Global\.save_model_dir: cannot write in "
            ),
            run_folder(*of(folder)),
        ):
            raise AssertionError("entered")


def test_a_disk_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        folder.mkdir()
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("training.output_folder.prove_writable", refuse)
    with (
        pytest.raises(ConfigError, match="Read-only file system; expected a folder"),
        run_folder(*of(tmp_path / "a")),
    ):
        raise AssertionError("entered")
    assert not (tmp_path / "a").exists()


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    hold = (
        "import sys; from runtime.lock import OutputLock\n"
        "with OutputLock(sys.argv[1]): print(flush=True); sys.stdin.read()"
    )
    folder = tmp_path / "a"
    folder.mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(folder)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    other.stdout.readline()
    with (
        pytest.raises(
            ArtifactError, match=rf"process {other.pid} .*name another Global\.save_model"
        ),
        run_folder(*of(folder)),
    ):
        raise AssertionError("entered")
    other.communicate()
    with run_folder(*of(folder)):
        pass


def test_the_data_are_not_looked_at_before(
    write_config: WriteConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import plan
    from training.train import train

    def look(*arguments: object) -> None:
        raise AssertionError("looked at the data")

    monkeypatch.setattr(plan, "build_data", look)
    (tmp_path / "file").touch()
    config = write_config("run", {"Global.save_model_dir": str(tmp_path / "file")})
    with pytest.raises(ConfigError, match=r"run\.yml:\d+: Global\.save_model_dir: .*it is a file"):
        train(load_config(config))


def test_result_files_are_tried_before_there_is_a_result(tmp_path: Path) -> None:
    refuse_unwritable_file(tmp_path / "new" / "figures.json", "--output")
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")  # which a result would replace
    for path in (tmp_path, tmp_path / "file" / "figures.json", tmp_path / "pipe"):
        with pytest.raises(ConfigError, match=rf"--output: cannot write {path}: "):
            refuse_unwritable_file(path, "--output")


def test_a_full_disk_is_found_by_the_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: Full())
    with pytest.raises(OSError, match="No space left"):
        prove_writable(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_a_disk_refuses_is_one_line(number: int) -> None:
    told = r"the disk refuses /a/b: refused; see"
    with pytest.raises(ArtifactError, match=told), translate_disk_errors():
        raise OSError(number, "refused", "/a/b")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ConnectionResetError), translate_disk_errors():
        raise ConnectionResetError(errno.ECONNRESET, "reset")
