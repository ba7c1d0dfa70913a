"""Options of pages are refused where they have no effect, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.detection.model import default
from runtime.infer.arguments import parse_arguments


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a --pages", "no detector was given: expected --detector FILE.onnx or FILE.plan"),
        ("a --pages --detector d --compat paddleocr3", "--compat is about lines"),
        ("a --pages --detector d --labels f", "--labels is about lines"),
        ("a --pages --detector d --alternatives 2", "--alternatives is about lines"),
        ("a --pages --detector d --det-thresh 0.2", "--det-thresh is about finding text"),
        ("a --pages --detector d --pdf ocr", "invalid choice: 'ocr'"),
        ("a --pages --detector d --pdf-dpi 0", "expected a whole number from 36 to 1200, got '0'"),
        ("a --pages --detector d --min-confidence 2", "expected a number from 0 to 1, got '2'"),
        ("a --pages --detector d --output-formats pdf", "expected --output-dir too"),
        ("a --pages --detector d --output-dir o --output-formats doc", "one or more of pdf, hocr"),
        ("a --pages --detector d --output o.pdf --resume", "--resume adds to records"),
        ("a --pages --detector d --output o.csv --resume --output-dir o", "--resume adds to"),
        ("a --pages --detector d --output o.alto", ".parquet, .pdf, .hocr, .html, .xml, got .alto"),
        ("a --pdf text", "--pdf is about pages: expected --pages too"),
        ("a --output-dir o", "--output-dir is about pages: expected --pages too"),
        ("a --format alto", "--format alto holds pages: expected --pages too"),
        ("a --output o --output-format pdf", "--output-format pdf holds pages"),
        ("a --detector d", "--detector is about finding text: expected --detect-only or --pages"),
    ],
)
def test_complaints_are_one_line(
    line: str,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(default, "_FILE", Path("absent.onnx"))
    with pytest.raises(SystemExit) as leaving:
        parse_arguments(line.split())
    assert leaving.value.code == 2
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith("infer: ") and complaint in printed


@pytest.mark.parametrize(
    ("output", "kind"),
    [("o.pdf", "pdf"), ("o.PDF", "pdf"), ("o.hocr", "hocr"), ("o.html", "hocr"), ("o.xml", "alto")],
)
def test_what_is_written_whole_is_a_document(output: str, kind: str) -> None:
    arguments = parse_arguments(f"a --pages --detector d --output {output}".split())
    assert (arguments.document, arguments.document_kind) == (output, kind)
    assert arguments.output is None


@pytest.mark.parametrize("output", ["o.jsonl", "o.csv", "o.txt", "o.parquet", "o", "o.json"])
def test_records_are_an_output(output: str) -> None:
    arguments = parse_arguments(f"a --pages --detector d --output {output}".split())
    assert (arguments.document, arguments.output) == (None, output)


def test_a_format_counts_before_a_suffix() -> None:
    line = "a --pages --detector d --output o.xml --output-format jsonl"
    assert parse_arguments(line.split()).output == "o.xml"
    arguments = parse_arguments(["a", "--pages", "--detector", "d", "--output-dir", "o"])
    assert arguments.output_formats == ["pdf"]
    line = "a --pages --detector d --output-dir o --output-formats hocr,txt,hocr"
    assert parse_arguments(line.split()).output_formats == ["hocr", "txt"]
    line = "a --pages --detector d --output-dir o --output-formats text,json"
    assert parse_arguments(line.split()).output_formats == ["txt", "jsonl"]


def test_a_detector_that_comes_along_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "detector.onnx").write_bytes(b"x")
    monkeypatch.setattr(default, "_FILE", tmp_path / "detector.onnx")
    assert parse_arguments(["a", "--pages"]).detector == str(tmp_path / "detector.onnx")
