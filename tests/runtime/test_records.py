"""Records say everything, and a file of them can be cut anywhere and continued."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.alternatives import Alternative
from runtime.errors import ArtifactError
from runtime.recognition import Recognition
from runtime.records import (
    ENCODING_ERRORS,
    CsvWriter,
    JsonLinesWriter,
    TextWriter,
    format_of,
    read_back,
    record_from_recognition,
)

READ = Recognition(
    text="日 é",
    confidence=0.123456789,
    characters=("日", " ", "é"),
    character_confidences=(0.5, 0.25, 1 / 3),
    time_steps=(0, 4, 9),
    last_time_steps=(0, 4, 10),
    source="scans/a.png",
    width_px=300,
    height_px=40,
    input_width_px=256,
    content_width_px=240,
    num_time_steps=16,
    warnings=("squeezed",),
)
FAILED = Recognition(text="", confidence=0.0, source="b.png", error="the file is empty")
WRITERS = {"jsonl": JsonLinesWriter, "csv": CsvWriter, "txt": TextWriter}


def written(kind: str, *recognitions: Recognition, **options: int) -> str:
    stream = io.StringIO()
    writer = WRITERS[kind](stream, **options)
    for recognition in recognitions:
        writer.write(recognition)
    writer.close()
    return stream.getvalue()


def test_json_lines() -> None:
    lines = written("jsonl", READ, FAILED)
    read, failed = (json.loads(line) for line in lines.splitlines())
    assert read == {
        "file": "scans/a.png",
        "text": "日 é",
        "confidence": 0.123457,
        "characters": [
            {
                "text": "日",
                "confidence": 0.5,
                "time_step": 0,
                "last_time_step": 0,
                "box": [0.0, 0.0, 30.0, 40.0],
            },
            {
                "text": " ",
                "confidence": 0.25,
                "time_step": 4,
                "last_time_step": 4,
                "box": [70.0, 0.0, 110.0, 40.0],
            },
            {
                "text": "é",
                "confidence": 0.333333,
                "time_step": 9,
                "last_time_step": 10,
                "box": [180.0, 0.0, 220.0, 40.0],
            },
        ],
        "words": [
            {"text": "日", "kind": "cn", "confidence": 0.5, "box": [0.0, 0.0, 30.0, 40.0]},
            {
                "text": "é",
                "kind": "en&num",
                "confidence": 0.333333,
                "box": [180.0, 0.0, 220.0, 40.0],
            },
        ],
        "width_px": 300,
        "height_px": 40,
        "input_width_px": 256,
        "warnings": ["squeezed"],
        "error": None,
    }
    assert (failed["file"], failed["text"], failed["error"]) == ("b.png", "", "the file is empty")
    assert "日" in lines, "readable without a decoder"
    assert record_from_recognition(READ).keys() == record_from_recognition(FAILED).keys()


def test_csv() -> None:
    awkward = Recognition(text='a,"b"', confidence=1.0, source="one\ntwo.png")
    rows = [*csv.DictReader(io.StringIO(written("csv", READ, FAILED, awkward)))]
    assert rows[0] == {
        "file": "scans/a.png",
        "text": "日 é",
        "confidence": "0.123457",
        "width_px": "300",
        "height_px": "40",
        "warnings": "squeezed",
        "error": "",
    }
    assert (rows[1]["file"], rows[1]["error"]) == ("b.png", "the file is empty")
    assert (rows[2]["file"], rows[2]["text"]) == ("one\ntwo.png", 'a,"b"')


def test_csv_names_its_columns_once() -> None:
    assert written("csv").startswith("file,text,confidence,")
    assert written("csv", has_header=True) == ""
    assert written("csv", READ) == written("csv") + written("csv", READ, has_header=True)


def test_paddleocr_text() -> None:
    odd = Recognition(text="x", confidence=1.0, source="a\tb\nc.png")
    assert written("txt", READ, FAILED, odd).splitlines() == [
        "scans/a.png\t日 é\t0.123457",
        "b.png\t\t0.0",
        "a b c.png\tx\t1.0",
    ]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("a.jsonl", "jsonl"), ("a.CSV", "csv"), ("x/a.txt", "txt"), ("a.json", "-"), ("csv", "-")],
)
def test_the_suffix_chooses(path: str, kind: str) -> None:
    assert format_of(path, otherwise="-") == kind


TWO = (Alternative("日 é", 0.7), Alternative("日, é", 0.12345678))


def test_alternatives_stand_where_they_were_asked_for() -> None:
    read = json.loads(written("jsonl", replace(READ, alternatives=TWO)))
    assert read["alternatives"] == [
        {"text": "日 é", "probability": 0.7},
        {"text": "日, é", "probability": 0.123457},
    ]
    assert "alternatives" not in record_from_recognition(READ)
    lines = written("csv", replace(READ, alternatives=TWO), FAILED, alternatives=3)
    asked, failed = csv.DictReader(io.StringIO(lines))
    assert (asked["alternative_2"], asked["probability_2"]) == ("日, é", "0.123457")
    assert asked["alternative_3"] == failed["probability_1"] == ""
    assert None not in asked, "no value without a column"


def test_other_columns_are_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(written("csv", replace(READ, alternatives=TWO), alternatives=2))
    assert sum(read_back(path, "csv", alternatives=2).names.values()) == 1
    for other in (0, 3):
        with pytest.raises(ArtifactError, match="expected the columns"):
            read_back(path, "csv", alternatives=other)


NAMES = ["a.png", 'quo"te.png', "com,ma.png", "new\nline.png", "\udcff.png", "日本.png", "a.png"]


def contents(kind: str) -> bytes:
    lines = [Recognition(text='t"', confidence=1.0, source=name) for name in NAMES]
    return written(kind, *lines).encode("utf-8", ENCODING_ERRORS[kind])


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_what_is_written_is_read_back(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_bytes(contents(kind))
    done = read_back(path, kind)
    assert sorted(done.names.elements()) == sorted(NAMES)
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
    done = read_back(path, kind)
    names = [*done.names.elements()]
    assert done.num_bytes <= length
    assert sorted(names) == sorted(NAMES[: len(names)])
    path.write_bytes(whole[: done.num_bytes])
    assert read_back(path, kind) == done


def test_nothing_is_done_where_there_is_no_file(tmp_path: Path) -> None:
    done = read_back(tmp_path / "none.jsonl", "jsonl")
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
        read_back(path, kind)
    assert path.read_bytes() == content
