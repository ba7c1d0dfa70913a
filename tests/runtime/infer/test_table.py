from __future__ import annotations

import io
from argparse import Namespace
from pathlib import Path

import pytest

from runtime.infer.recognition.task import Reading
from runtime.infer.table import (
    TableWriter,
    display_width,
    printable,
    shortened,
)
from runtime.recognition.result import Recognition

READ = Recognition(
    text="日 é",
    confidence=0.123456789,
    characters=("日", " ", "é"),
    character_confidences=(0.5, 0.25, 1 / 3),
    time_steps=(0, 4, 9),
    source="scans/a.png",
    width_px=300,
    height_px=40,
    input_width_px=256,
    warnings=("squeezed",),
)
FAILED = Recognition(text="", confidence=0.0, source="b.png", error="the file is empty")


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("\uff71", 1), ("e\u0301", 1), ("", 0), ("\uff21", 2)],
)
def test_display_width(text: str, columns: int) -> None:
    assert display_width(text) == columns


def test_control_and_stray_characters_are_escaped() -> None:
    assert printable("a\tb\x1b[31m\udcff\u2028日\u3000") == "a\\tb\\x1b[31m\\udcff\\u2028日\u3000"


def test_shortening_keeps_to_the_width() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcdef", 4, keep_end=True) == "…def"
    assert shortened("日本語", 4) == "日…"


def table(*recognitions: Recognition, terminal_width: int | None = None) -> list[str]:
    stream = io.StringIO()
    writer = TableWriter(Reading(), stream, terminal_width)
    for recognition in recognitions:
        writer.write(recognition)
    writer.close()
    return stream.getvalue().splitlines()


def test_what_was_misread_is_marked(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("a.png\tis\nb.png\tplain\n", encoding="utf-8")
    task = Reading()
    given = Namespace(labels=tmp_path / "labels.txt", labels_dir=tmp_path)
    assert task.labels(given) is not None
    stream = io.StringIO()
    writer = TableWriter(task, stream)
    for name, text in (("a.png", "1s"), ("b.png", "plain"), ("c.png", "x")):
        writer.write(Recognition(text=text, confidence=0.9, source=str(tmp_path / name)))
    failed = Recognition(text="", confidence=0.0, source=str(tmp_path / "a.png"), error="gone")
    writer.write(failed)
    writer.close()
    rows = stream.getvalue().splitlines()[1:]
    assert rows[0].endswith("0.900  misread, expected: is")
    assert not any("misread, expected" in row for row in rows[1:])
    assert task.mistake(failed) is None


def test_columns_are_aligned_for_wide_characters() -> None:
    plain = Recognition(text="plain text", confidence=0.9, source="c.png")
    wide = Recognition(text="日本語", confidence=1.0, source="日本.png")
    header, *rows = table(plain, wide)
    assert [display_width(row) for row in rows] == [display_width(header)] * 2
    assert rows[1] == "日本.png  日本語           1.000"


def test_errors_and_warnings_stand_in_their_rows() -> None:
    _, read, failed = table(READ, FAILED)
    assert read.endswith("0.123  warning: squeezed")
    assert failed.startswith("b.png") and "error: the file is empty" in failed


def test_only_a_terminal_shortens() -> None:
    long = Recognition(text="x" * 500, confidence=1.0, source="folder/" * 30 + "name.png")
    assert "x" * 500 in table(long)[1]
    header, row = table(long, terminal_width=80)
    assert display_width(header) <= 80 and display_width(row) <= 80
    assert "name.png" in row and "1.000" in row


def test_a_reason_is_never_shortened() -> None:
    failed = Recognition(text="", confidence=0.0, source="b.png", error="because " * 30)
    assert "because " * 30 in table(failed, terminal_width=60)[1]


def test_rows_come_before_the_end() -> None:
    stream = io.StringIO()
    writer = TableWriter(Reading(), stream)
    for _ in range(50):
        writer.write(READ)
    assert len(stream.getvalue().splitlines()) == 51


def test_a_table_of_nothing_is_empty() -> None:
    assert table() == []


def test_who_waits_at_a_terminal_sees_the_first_rows_after_a_second() -> None:
    seconds = iter([0.0, 0.4, 1.2])
    stream = io.StringIO()
    writer = TableWriter(Reading(), stream, 80, lambda: next(seconds))
    writer.write(READ)
    assert stream.getvalue() == ""
    writer.write(READ)
    assert len(stream.getvalue().splitlines()) == 3
    writer.write(READ)
    assert len(stream.getvalue().splitlines()) == 4
