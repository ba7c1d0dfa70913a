"""What is written for PaddleOCR 3 and PaddleX, read as they read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from export.recognition.inference_yml import DEFAULT_MODEL_NAME, inference_yml
from runtime.errors import ArtifactError
from runtime.recognition.charset import Charset
from runtime.recognition.model.inference_yml import read_inference_yml
from runtime.recognition.model.spec_of_model import charset_for_head
from runtime.recognition.spec import RecognizerSpec, WidthPolicy

AWKWARD = (
    *("y", "n", "~", "=", "-", "?", ":", "#", "&", "*", "!", "|", ">", "'", '"', "%", "@", "`"),
    *("\\", "{", "[", ",", "0", "1", ".", "<", "\t", "\x7f", "\x85", "\xa0", "\u3000", "\u2028"),
    *("\ufeff", "é", "e\u0301", "語", "ﷺ", "😀", "null", "true", "1_0", "0x1", ".inf", "=="),
)


def parsed(spec: RecognizerSpec, model_name: str = "") -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(inference_yml(spec, model_name))
    return content


def transform(content: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [step[name] for step in content["PreProcess"]["transform_ops"] if name in step]
    result: dict[str, Any] = one
    return result


def test_the_student_alone_is_decoded(tmp_path: Path) -> None:
    content = parsed(RecognizerSpec(characters=("a", "b", " "), height=48))
    assert content["PostProcess"] == {"name": "CTCLabelDecode", "character_dict": ["a", "b"]}
    assert transform(content, "DecodeImage")["img_mode"] == "BGR"
    assert transform(content, "RecResizeImg")["image_shape"] == [3, 48, 320]
    assert content["Global"]["model_name"] == DEFAULT_MODEL_NAME
    assert parsed(RecognizerSpec(("a",)), "mine")["Global"]["model_name"] == "mine"


def test_channels_colour_and_a_fixed_width_are_told() -> None:
    spec = RecognizerSpec(
        ("a",), height=32, channels=1, color_order="RGB", width=WidthPolicy(100, 100, 100)
    )
    content = parsed(spec)
    assert transform(content, "RecResizeImg")["image_shape"] == [1, 32, 100]
    assert transform(content, "DecodeImage")["img_mode"] == "RGB"


@pytest.mark.parametrize("closing", [(), (" ",), (" ", " ")])
def test_every_character_comes_back(tmp_path: Path, closing: tuple[str, ...]) -> None:
    spec = RecognizerSpec((*AWKWARD, *closing))
    path = tmp_path / "inference.yml"
    path.write_text(inference_yml(spec), encoding="utf-8")
    told = read_inference_yml(path)
    assert charset_for_head(told.characters, spec.num_classes, "test") == spec.charset
    assert told.image_shape == (3, 32, 320)


def test_the_whole_of_unicode_comes_back(tmp_path: Path) -> None:
    usable = [
        chr(code)
        for code in (*range(0x20, 0x3000), *range(0xF900, 0x10000), *range(0x1F000, 0x1F700))
        if chr(code).isprintable() and chr(code) != " "
    ]
    path = tmp_path / "inference.yml"
    path.write_text(inference_yml(RecognizerSpec((*usable, " "))), encoding="utf-8")
    assert read_inference_yml(path).characters == tuple(usable)


def test_the_file_is_readable_by_people() -> None:
    assert "語" in inference_yml(RecognizerSpec(("語",)))


def test_a_list_of_a_wrong_length_is_no_charset(tmp_path: Path) -> None:
    path = tmp_path / "inference.yml"
    path.write_text(inference_yml(RecognizerSpec(("a", "b"))), encoding="utf-8")
    listed = read_inference_yml(path).characters
    assert charset_for_head(listed, 4, "test") == Charset(("a", "b", " "))
    with pytest.raises(ArtifactError, match="disagree"):
        charset_for_head(listed, 5, "test")
