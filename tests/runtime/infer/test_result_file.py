"""Whole records only, whatever ends the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import ArtifactError
from runtime.infer.result_file import ResultFile, keep_inputs

ROOT = Path(__file__).parents[3]


def test_it_appears_with_its_first_record(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("older")
    with ResultFile(path, "strict") as file:
        assert path.read_text() == "older"
        file.write("one\n")
        assert path.read_text() == "one\n", "and a run that is killed has left it"
        file.write("two\n")
    assert path.read_text() == "one\ntwo\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.jsonl"]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, RuntimeError])
def test_an_early_end_keeps_the_part_that_is_done(
    tmp_path: Path, ending: type[BaseException]
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("older")
    with pytest.raises(ending), ResultFile(path, "strict"):
        raise ending
    assert path.read_text() == "older"
    with pytest.raises(ending), ResultFile(path, "strict") as file:
        file.write("one\n")
        raise ending
    assert path.read_text() == "one\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.jsonl"]


def test_going_on_cuts_off_the_record_that_was_begun(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("one\ntwo\nthr")
    with ResultFile(path, "strict", continue_after=8) as file:
        assert path.read_text() == "one\ntwo\n"
        file.write("three\n")
        assert path.read_text() == "one\ntwo\nthree\n", "in the file at once"


def test_going_on_with_nothing_begins(tmp_path: Path) -> None:
    with ResultFile(tmp_path / "r.jsonl", "strict", continue_after=0) as file:
        file.write("one\n")
    assert (tmp_path / "r.jsonl").read_text() == "one\n"


FULL_DISK = """
import resource, sys
from runtime.infer.result_file import ResultFile, keep_inputs
resource.setrlimit(resource.RLIMIT_FSIZE, (25, 25))  # a disk that is full after 25 bytes
with ResultFile(sys.argv[1], "strict", int(sys.argv[2]) if sys.argv[2:] else None) as file:
    for _ in range(9):
        file.write("0123456\\n")
"""


@pytest.mark.skipif(os.name != "posix", reason="sets a limit that only POSIX has")
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_full_disk_leaves_whole_records(tmp_path: Path, goes_on: bool) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("first..\nbegun")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), *(["8"] if goes_on else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ArtifactError: cannot write" in done.stderr and "--resume" in done.stderr
    assert f"the {2 if goes_on else 3} results written are whole" in done.stderr
    first = "first..\n" if goes_on else "0123456\n"
    assert path.read_text() == first + 2 * "0123456\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.jsonl"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with ResultFile(tmp_path / "link", "strict") as file:
        file.write("x\n")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "x\n"


def test_undecodable_names(tmp_path: Path) -> None:
    for errors, content in (("surrogateescape", b"\xff\n"), ("backslashreplace", b"\\udcff\n")):
        with ResultFile(tmp_path / "r", errors) as file:
            file.write("\udcff\n")
        assert (tmp_path / "r").read_bytes() == content


@pytest.mark.parametrize("continue_after", [None, 0])
@pytest.mark.parametrize("place", ["", "/dev/null", "none/r.jsonl"])
def test_an_impossible_place_is_refused(
    tmp_path: Path, place: str, continue_after: int | None
) -> None:
    with pytest.raises(ArtifactError, match="cannot write"):
        ResultFile(tmp_path / place, "strict", continue_after)


@pytest.mark.parametrize("name", ["scan.jpg", "scan.PDF", "scan"])
def test_what_is_read_is_not_written_over(tmp_path: Path, name: str) -> None:
    scan, other = tmp_path / name, str(tmp_path / "no such file")
    keep_inputs(str(scan), [str(scan), other])
    scan.write_bytes(b"a picture")
    with pytest.raises(ArtifactError, match="would be written over"):
        keep_inputs(str(scan), [other, str(scan)])
    link = tmp_path / "link"
    link.symlink_to(scan)
    with pytest.raises(ArtifactError, match="expected another name for the results"):
        keep_inputs(str(link), [str(scan)])
    old = tmp_path / "results.jsonl"
    old.write_text("{}\n", encoding="utf-8")
    keep_inputs(str(old), [str(scan), str(tmp_path)])
