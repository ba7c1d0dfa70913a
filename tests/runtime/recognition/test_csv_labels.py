"""Label files of spreadsheets: named or first columns, quotes, delimiters, encodings."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from runtime.recognition.csv_labels import csv_labels
from runtime.recognition.labels import read_labels


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a.png,one\nb.png,two\n", [("a.png", "one"), ("b.png", "two")]),
        ("file,text,confidence\na.png,one,0.5\n", [("a.png", "one")]),
        ("Text;Filename\r\none, two;a.png\r\n", [("a.png", "one, two")]),
        ('filename,words\na.png,"say ""a,b"""\n', [("a.png", 'say "a,b"')]),
        ("a.png\tone\n\n", [("a.png", "one")]),
        ('a.png,"two\nlines"\n', [("a.png", "two\nlines")]),
    ],
)
def test_columns_and_delimiters(content: str, rows: list[tuple[str, str]]) -> None:
    assert [(path, text) for _, path, text in csv_labels(content)] == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_is_read_as_label_files_are(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "labels.CSV"
    file.write_text("image,label\nä.png,é\nb.png\n", encoding=encoding)
    labels = read_labels(file)
    assert [(row.number, row.names, row.text) for row in labels.rows] == [(2, ("ä.png",), "é")]
    assert labels.malformed == (f"{file}:3",)


def test_a_quotation_mark_that_is_never_closed_is_bounded() -> None:
    before = csv.field_size_limit()
    content = 'a.png,"' + "x" * (2**20 + 10)
    assert csv_labels("b.png,1\n" + content)[0] == (1, "b.png", "1")
    assert [path for _, path, _ in csv_labels(content)] == [None]
    assert csv.field_size_limit() == before
