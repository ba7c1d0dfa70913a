"""Records say everything, and no control character of a name or reading stands in them."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from dataclasses import replace

import pytest

from runtime.errors import ArtifactError
from runtime.infer.recognition.task import Reading
from runtime.infer.records import (
    CsvWriter,
    format_of,
    name_in,
    open_writer,
)
from runtime.recognition.alternatives import Alternative
from runtime.recognition.record import record_from_recognition
from runtime.recognition.result import Recognition

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


def reading(alternatives: int = 0) -> Reading:
    return Reading(Namespace(alternatives=alternatives))


def written(
    kind: str, *recognitions: Recognition, alternatives: int = 0, is_begun: bool = False
) -> str:
    stream = io.StringIO()
    writer = open_writer(reading(alternatives), kind, stream, is_begun)
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
    assert (rows[2]["file"], rows[2]["text"]) == ("one\\ntwo.png", 'a,"b"')


def test_csv_names_its_columns_once() -> None:
    assert written("csv").startswith("file,text,confidence,")
    assert written("csv", is_begun=True) == ""
    assert written("csv", READ) == written("csv") + written("csv", READ, is_begun=True)


def test_paddleocr_text() -> None:
    odd = Recognition(text="x", confidence=1.0, source="a\tb\nc.png")
    assert written("txt", READ, FAILED, odd).splitlines() == [
        "scans/a.png\t日 é\t0.123457",
        "b.png\t\t0.0",
        "a\\tb\\nc.png\tx\t1.0",
    ]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("a.CSV", "csv"),
        ("x/a.txt", "txt"),
        ("a.json", "jsonl"),
        ("a", "jsonl"),
    ],
)
def test_the_suffix_chooses(path: str, kind: str) -> None:
    assert format_of(path) == kind


def test_a_suffix_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"in one of \.jsonl, .*, \.pdf, got \.alto; .*format"):
        format_of("x.alto", [".pdf"])


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


CONTROLS = "a\x1b[31m\x07\x9b2J\r\n\t\x7f\u2028z"


@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt"])
def test_no_control_character_is_written_as_it_is(kind: str) -> None:
    odd = Recognition(text=CONTROLS, confidence=1.0, source=f"{CONTROLS}.png", warnings=(CONTROLS,))
    failed = Recognition(text="", confidence=0.0, source="b.png", error=CONTROLS)
    lines = written(kind, odd, failed)
    assert len(lines.splitlines()) == (3 if kind == "csv" else 2), "a line for each"
    allowed = "\n\t" if kind == "txt" else "\n"  # tabs part the fields of txt
    assert not [line for line in lines if not line.isprintable() and line not in allowed]
    if kind == "jsonl":
        assert json.loads(lines.splitlines()[0])["file"] == f"{CONTROLS}.png", "nothing is lost"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        (" =1", "' =1"),
        ("\uff1dA1", "'\uff1dA1"),
        ("\t=1", "\\t=1"),
        ("-12.50", "-12.50"),
        ("+49", "+49"),
        ("-1.234,50", "-1.234,50"),
        ("-5%", "-5%"),
        ("Total = 5", "Total = 5"),
    ],
)
def test_csv_can_be_made_safe_for_spreadsheets(text: str, cell: str) -> None:
    line = Recognition(text=text, confidence=1.0, source=text)
    stream = io.StringIO()
    CsvWriter(reading(), stream, is_safe=True).write(line)
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert (row["file"], row["text"]) == (cell, cell)
    assert name_in("csv", cell) == name_in("csv", text), "found again by --resume"
