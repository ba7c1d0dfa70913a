"""Command lines that make sense, and complaints about those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.cluster import readers
from runtime.infer import arguments
from runtime.infer.arguments import parse_arguments
from runtime.recognition import compat

Capture = pytest.CaptureFixture[str]


def test_defaults() -> None:
    parsed = parse_arguments(["images", "--model", "m.onnx"])
    assert (parsed.paths, parsed.model, parsed.format) == (["images"], "m.onnx", "table")
    unsaid = ("device", "batch_size", "threads", "max_pixels", "compat", "output")
    assert [getattr(parsed, name) for name in unsaid] == [None] * len(unsaid)


@pytest.mark.parametrize(
    ("text", "pixels"), [("12345", 12345), ("64M", 2**26), ("8k", 8192), ("1G", 2**30)]
)
def test_pixels(text: str, pixels: int) -> None:
    assert parse_arguments(["x", "--model", "m", "--max-pixels", text]).max_pixels == pixels


def test_provider_is_another_word_for_device() -> None:
    assert parse_arguments(["x", "--model", "m", "--provider", "cpu"]).device == "cpu"


def test_the_model_that_comes_along_is_read_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "default_model", lambda: Path("latin.onnx"))
    assert parse_arguments(["x"]).model == Path("latin.onnx")
    assert parse_arguments(["x", "--model", "m.onnx"]).model == "m.onnx"


def test_choices_are_those_of_the_recogniser() -> None:
    assert arguments.COMPATS == compat.COMPATS
    assert arguments.RAY_FILES == readers.FILES


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--model m", "no image was given"),
        ("- --stdin-images --model m", "either names"),
        ("x --model m --resume", "--resume needs"),
        ("x --model m --max-pixels 0", "at least 1"),
        ("x --model m --max-pixels M", "got 'M'"),
        ("x --model m --max-pixels 6.4M", "got '6.4M'"),
        ("x --model m --alternatives two", "from 0, got 'two'"),
        ("x --model m --address auto", "expected --ray too"),
        ("x --model m --ray-files ship", "expected --ray too"),
        ("x --model m --ray --compat paddleocr2", "without --ray"),
        ("x --model m --ray --device-id 1", "no --device-id"),
        ("x --model m --format xml", "invalid choice: 'xml'"),
        ("x --model m --device tpu", "invalid choice: 'tpu'"),
        ("x --model m --output o.log", "in one of .jsonl, .json, .csv, .txt, .parquet, got .log"),
        ("x --model m --output o.pdf", "--output o.pdf holds pages: expected --pages too"),
    ],
)
def test_complaints_are_one_line(line: str, complaint: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as leaving:
        parse_arguments(line.split())
    assert leaving.value.code == 2
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith("infer: ") and complaint in printed


def test_a_format_that_is_said_makes_any_suffix_good() -> None:
    line = "x --model m --output o.log --output-format csv"
    assert parse_arguments(line.split()).output == "o.log"


def test_formats_have_the_names_of_the_service_too() -> None:
    line = "x --model m --format text --output o --output-format json"
    parsed = parse_arguments(line.split())
    assert (parsed.format, parsed.output_format) == ("txt", "jsonl")
