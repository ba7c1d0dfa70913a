"""The command reads pages: what it prints, writes, resumes and leaves."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from runtime.images.pdf import pages as pdf_pages
from runtime.infer.__main__ import main
from runtime.infer.pages.task import PageReading
from runtime.infer.read_back import read_back
from runtime.pages.searchable import original
from tests.runtime.images.pdf import odd_files
from tests.runtime.infer.pages.reading import BarReader, bars, write_pages

pytestmark = pytest.mark.usefixtures("_bar_reader")


@pytest.fixture(autouse=True, scope="module")
def _no_processes_are_left() -> Any:
    yield
    pdf_pages._viewers.end_all()
    original._writers.end_all()


def run(*arguments: object) -> int:
    models = ("--detector", __file__, "--model", __file__)
    return main(["--pages", *models, *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pages(tmp_path / "in")


def names(folder: Path) -> list[str]:
    pages = ("a.png", "b.png", "c.png", "d.tif#page=1", "d.tif#page=2")
    return [str(folder / page) for page in pages]


def test_records_are_written_and_a_table_is_printed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "o.jsonl"
    assert run(folder, "--output", output) == 1
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert [record["file"] for record in records] == names(folder)
    assert [record["text"] for record in records] == [
        *("bar 1\nbar 2", "", "", "bar 1", "bar 1\nbar 2\nbar 3"),
    ]
    assert [record["page"] for record in records] == [None, None, None, 1, 2]
    assert [line["is_unsure"] for line in records[4]["lines"]] == [False, False, True]
    assert "expected JPEG, PNG" in records[2]["error"]
    printed = capsys.readouterr()
    rows = printed.out.splitlines()
    assert "bar 1 | bar 2" in rows[1] and rows[1].endswith("0.750")
    assert "error: " in rows[3] and "read 4 of 5 pages, 1 failed" in printed.err
    assert BarReader.opened == {"detector": __file__, "recognizer": __file__, "device_id": 0}


@pytest.mark.parametrize("kind", ["txt", "jsonl", "paddleocr", "labels", "hocr", "alto", "csv"])
def test_every_format_is_printed(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--format", kind) == 1
    told = capsys.readouterr().out
    if kind in ("hocr", "alto"):
        assert len(list(ElementTree.fromstring(told).iter())) > 30
    elif kind == "txt":
        assert told == "bar 1\nbar 2\n\f\f\fbar 1\n\fbar 1\nbar 2\nbar 3\n\f"
    elif kind == "labels":
        name, _, labels = told.splitlines()[0].partition("\t")
        assert name == names(folder)[0]
        assert [label["transcription"] for label in json.loads(labels)] == ["bar 1", "bar 2"]
    elif kind == "paddleocr":
        records = list(map(json.loads, told.splitlines()))
        assert records[0]["rec_texts"] == ["bar 1", "bar 2"] and records[4]["page_index"] == 1
    elif kind == "csv":
        rows = list(csv.DictReader(told.splitlines()))
        assert [row["line"] for row in rows] == ["1", "2", "0", "0", "1", "1", "2", "3"]
        assert json.loads(rows[0]["points"])[0] == [30, 20]
    else:
        assert len(told.splitlines()) == 5


def test_labels_of_pages_that_nothing_else_opens_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--output", tmp_path / "labels.txt", "--output-format", "labels", "--quiet")
    assert run(folder / "d.tif", *options) == 2
    assert "d.tif#page=1; save its pages as pictures" in capsys.readouterr().err
    assert run(folder / "a.png", *options) == 0


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_run_that_was_cut_off_goes_on_with_whole_pages(
    folder: Path, tmp_path: Path, suffix: str
) -> None:
    whole, part = tmp_path / f"whole{suffix}", tmp_path / f"part{suffix}"
    run(folder, "--output", whole, "--quiet")
    data = whole.read_bytes()
    for length in range(0, len(data), max(1, len(data) // 25)):
        part.write_bytes(data[:length])
        run(folder, "--output", part, "--resume", "--quiet")
        assert part.read_bytes() == data, length


def test_rows_of_a_page_are_one_result(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "o.csv"
    run(folder, "--output", output, "--quiet")
    done = read_back(PageReading(), output, "csv")
    assert done.names == dict.fromkeys(names(folder), 1) and done.num_failed == 1
    run(folder, "--output", output, "--quiet", "--resume", "--retry-failed")
    assert len(list(csv.reader(output.open()))) == 9


def test_parquet_holds_lines_and_words(folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="PyArrow writes Parquet")
    run(folder, "--output", tmp_path / "o.parquet", "--quiet")
    rows = parquet.read_table(tmp_path / "o.parquet").to_pylist()
    assert [row["file"] for row in rows] == names(folder)
    assert rows[0]["lines"][1]["words"][1]["text"] == "2"


def test_unsure_lines_are_left_out_only_where_that_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder / "d.tif", "--format", "txt", "--min-confidence", "0.5")
    assert capsys.readouterr().out == "bar 1\n\fbar 1\nbar 2\n\f"


def test_pages_from_lists_and_streams(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list").write_text(f"{folder / 'a.png'}\n{folder / 'd.tif'}\n")
    assert run("--list", tmp_path / "list", "--format", "jsonl") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_documents_are_written_for_every_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kinds = "hocr,alto,txt,jsonl,paddleocr"
    assert run(folder, "--output-dir", out, "--output-formats", kinds, "--quiet") == 1
    found = {path.name for path in out.iterdir()}
    assert found == {
        *(f"{stem}{suffix}" for stem in "abcd" for suffix in (".hocr", ".xml", ".txt", ".jsonl")),
        *("a_res.json", "b_res.json", "c_res.json", "d_0_res.json", "d_1_res.json"),
    }
    assert (out / "d.txt").read_text() == "bar 1\n\fbar 1\nbar 2\nbar 3\n\f"
    assert json.loads((out / "d_1_res.json").read_text())["rec_texts"][2] == "bar 3"
    assert len((out / "d.jsonl").read_text().splitlines()) == 2


def test_files_of_one_name_have_documents_of_their_own(tmp_path: Path) -> None:
    for name in ("x/a.png", "y/a.png", "y/a.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), bars(1))
    out = tmp_path / "out"
    folders = (tmp_path / "x", tmp_path / "y")
    assert run(*folders, "--output-dir", out, "--output-formats", "txt", "--quiet") == 0
    found = {str(path.relative_to(out)) for path in out.rglob("*.txt")}
    assert found == {"x/a.txt", "y/a.txt", "y/a-2.txt"}


def test_a_document_never_takes_the_place_of_what_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pypdfium2", reason="pypdfium2 opens PDF files")
    source = tmp_path / "a.pdf"
    source.write_bytes(odd_files.scan())
    before = source.read_bytes()
    for options in (["--output-dir", tmp_path], ["--output", source]):
        assert run(source, *options, "--quiet") == 2
        assert "would be written over the file that is read" in capsys.readouterr().err
        assert source.read_bytes() == before


def test_pdf_files_become_searchable(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="pypdfium2 opens PDF files")
    pytest.importorskip("pikepdf", reason="pikepdf adds text to PDF files")
    (folder / "e.pdf").write_bytes(odd_files.scan((300, 200), height=200, width=300))
    (folder / "f.pdf").write_bytes(odd_files.pages(odd_files.TEXT))
    out = tmp_path / "out"
    assert run(folder, "--output-dir", out, "--quiet") == 1
    assert {path.name for path in out.iterdir()} == {"a.pdf", "b.pdf", "d.pdf", "e.pdf", "f.pdf"}
    assert (out / "f.pdf").read_bytes() == (folder / "f.pdf").read_bytes()
    run(
        folder / "e.pdf",
        out / "e.pdf",
        "--pdf",
        "text",
        "--output",
        tmp_path / "o.jsonl",
        "--quiet",
    )
    records = list(map(json.loads, (tmp_path / "o.jsonl").read_text().splitlines()))
    assert [record["text"] for record in records] == ["", "bar 1"]
    assert run(folder, "--output", tmp_path / "all.pdf", "--quiet") == 1
    assert pdf_pages.count_pages(str(tmp_path / "all.pdf")) == 6


def test_a_broken_pdf_file_is_a_row_and_others_are_read(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="pypdfium2 opens PDF files")
    (folder / "e.pdf").write_bytes(odd_files.encrypted())
    output = tmp_path / "o.jsonl"
    assert run(folder, "--output", output, "--quiet") == 1
    record = json.loads(output.read_text().splitlines()[-1])
    assert record["file"].endswith("e.pdf") and "encrypted" in record["error"]


def test_drawings_show_page_and_text(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="Pillow draws text")
    out = tmp_path / "out"
    run(folder, "--visualize", out, "--quiet")
    drawn = [cv2.imread(str(path)) for path in sorted(out.iterdir())]
    assert len(drawn) == 5 and drawn[0].shape == (200, 603, 3)
    text = drawn[0][20:45, 303:]
    assert (text < 100).any() and not (drawn[1][:, 303:] < 250).any()
    assert not np.array_equal(drawn[0][:, :300], bars(2))
