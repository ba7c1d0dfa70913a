"""A file of records can be cut anywhere and continued."""

from __future__ import annotations

import io
import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import ArtifactError
from runtime.infer.read_back import drop_failed, read_back
from runtime.infer.recognition.task import Reading, columns_of
from runtime.infer.records import ENCODING_ERRORS, name_in, open_writer
from runtime.recognition.alternatives import Alternative
from runtime.recognition.result import Recognition

READ = Recognition(text="t", confidence=1.0, source="a.png")
FAILED = Recognition(text="", confidence=0.0, source="b.png", error="the file is empty")
TWO = (Alternative("t", 0.7), Alternative("s", 0.1))


def reading(alternatives: int) -> Reading:
    return Reading(Namespace(alternatives=alternatives))


def written(kind: str, *recognitions: Recognition, alternatives: int = 0) -> str:
    stream = io.StringIO()
    writer = open_writer(reading(alternatives), kind, stream)
    for recognition in recognitions:
        writer.write(recognition)
    writer.close()
    return stream.getvalue()


def test_other_columns_are_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(written("csv", replace(READ, alternatives=TWO), alternatives=2))
    assert sum(read_back(reading(2), path, "csv").names.values()) == 1
    for other in (0, 3):
        with pytest.raises(ArtifactError, match="expected the columns"):
            read_back(reading(other), path, "csv")


NAMES = ["a.png", 'quo"te.png', "com,ma.png", "new\nline.png", "\udcff.png", "日本.png", "a.png"]


def contents(kind: str) -> bytes:
    lines = [Recognition(text='t"', confidence=1.0, source=name) for name in NAMES]
    return written(kind, *lines).encode("utf-8", ENCODING_ERRORS[kind])


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_what_is_written_is_read_back(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_bytes(contents(kind))
    done = read_back(Reading(), path, kind)
    assert sorted(done.names.elements()) == sorted(name_in(kind, name) for name in NAMES)
    assert all(done.names[done.named(name)] for name in NAMES)
    assert done.num_bytes == path.stat().st_size


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["jsonl", "csv"]), data=st.data())
def test_wherever_it_is_cut_whole_records_remain(
    kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = contents(kind)
    length = data.draw(st.integers(0, len(whole)))
    path = tmp_path_factory.mktemp("cut") / "results"
    path.write_bytes(whole[:length])
    done = read_back(Reading(), path, kind)
    names = [*done.names.elements()]
    assert done.num_bytes <= length
    assert sorted(names) == sorted(name_in(kind, name) for name in NAMES[: len(names)])
    path.write_bytes(whole[: done.num_bytes])
    assert read_back(Reading(), path, kind) == done


def test_nothing_is_done_where_there_is_no_file(tmp_path: Path) -> None:
    done = read_back(Reading(), tmp_path / "none.jsonl", "jsonl")
    assert not done.names and done.num_bytes == 0


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("jsonl", b"no json\n"),
        ("jsonl", b"[1]\n"),
        ("jsonl", b'{"text": "x"}\n'),
        ("jsonl", b"\xff\n"),
        ("csv", b"a,b\n1,2\n"),
        ("csv", b'"a"b,c\n'),
    ],
)
def test_other_files_are_not_continued(kind: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=f"cannot continue .*other: expected {kind} results"):
        read_back(Reading(), path, kind)
    assert path.read_bytes() == content


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_failed_records_are_counted_and_can_be_dropped(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_text(written(kind, READ, FAILED, READ))
    assert read_back(Reading(), path, kind).num_failed == 1
    drop_failed(Reading(), path, kind)
    assert path.read_text() == written(kind, READ, READ)
    assert read_back(Reading(), path, kind).num_failed == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["results"]


def test_file_that_cannot_be_written_anew_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results"
    path.write_text(written("jsonl", READ, FAILED))
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(ArtifactError, match="it is as it was: make room"):
        drop_failed(Reading(), path, "jsonl")
    assert path.read_text() == written("jsonl", READ, FAILED)
    assert [entry.name for entry in tmp_path.iterdir()] == ["results"]


def test_devices_are_not_read(tmp_path: Path) -> None:
    assert not read_back(Reading(), "/dev/zero", "jsonl").names
    drop_failed(Reading(), "/dev/zero", "csv")
    drop_failed(Reading(), tmp_path / "none", "csv")


def test_csv_of_older_runs_with_line_ends_in_names(tmp_path: Path) -> None:
    path = tmp_path / "results"
    header = ",".join(columns_of(0))
    path.write_text(f'{header}\n"new\nline.png",t,1.0,0,0,,\n"open')
    done = read_back(Reading(), path, "csv")
    assert done.names[done.named("new\nline.png")] == 1


def test_quote_that_never_ends_takes_linear_work(tmp_path: Path) -> None:
    path = tmp_path / "results"
    with path.open("w") as file:
        file.write(",".join(columns_of(0)) + '\n"')
        file.writelines("a,b\n" for _ in range(300_000))  # quadratic work would take hours
    assert read_back(Reading(), path, "csv").num_bytes == len(",".join(columns_of(0))) + 1


@pytest.mark.parametrize("line", [b"[" * 100_000 + b"\n", b'{"file": 7}\n', b'{"file": ["a"]}\n'])
def test_hostile_lines_are_one_error(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_bytes(line)
    with pytest.raises(ArtifactError, match="cannot continue"):
        read_back(Reading(), path, "jsonl")
