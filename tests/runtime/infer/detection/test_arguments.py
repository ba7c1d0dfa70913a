"""Options of finding text are taken where they make sense, and refused where they do not."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from runtime.detection.boxes import BoxOptions, BoxType
from runtime.detection.model import default
from runtime.detection.preprocess import LimitType, SizePolicy
from runtime.infer.arguments import parse_arguments
from runtime.infer.detection import arguments as finding

Capture = pytest.CaptureFixture[str]


def test_the_detector_is_the_model() -> None:
    parsed = parse_arguments(["x", "--detect-only", "--detector", "d.onnx"])
    assert (parsed.task, parsed.model) == ("det", "d.onnx")
    assert [getattr(parsed, name) for name in finding.OPTIONS] == [None] * len(finding.OPTIONS)
    assert parse_arguments(["x", "--model", "m"]).task == "rec"


def test_choices_are_those_of_the_detector() -> None:
    assert get_args(LimitType) == finding.LIMIT_TYPES
    assert get_args(BoxType) == finding.BOX_TYPES
    known = {field.name for kind in (SizePolicy, BoxOptions) for field in fields(kind)}
    assert {name.removeprefix("det_") for name in finding.OPTIONS} - known == {"dilation"}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--detect-only", "no detector was given: expected --detector FILE"),
        ("--detect-only --model m", "name the detector with --detector"),
        ("--detect-only --detector d --dictionary c.txt", "--dictionary is about reading"),
        ("--detect-only --detector d --labels l.txt", "--labels is about reading"),
        ("--detect-only --detector d --compat paddleocr2", "--compat is about reading"),
        ("--detect-only --detector d --alternatives 2", "--alternatives is about reading"),
        ("--detect-only --detector d --det-limit-type max", "expected --det-limit-side-len too"),
        ("--detect-only --detector d --det-limit-type mean", "invalid choice: 'mean'"),
        ("--detect-only --detector d --det-thresh high", "invalid float value: 'high'"),
        ("--model m --detector d", "--detector is about finding text: expected --detect-only"),
        ("--model m --det-box-thresh 0.5", "--det-box-thresh is about finding text"),
        ("--model m --no-det-dilation", "--det-dilation is about finding text"),
    ],
)
def test_complaints_are_one_line(
    line: str, complaint: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default, "_FILE", Path("absent.onnx"))
    with pytest.raises(SystemExit) as leaving:
        parse_arguments(["x", *line.split()])
    assert leaving.value.code == 2
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith("infer: ") and complaint in printed
