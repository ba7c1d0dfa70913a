"""PaddleOCR's `inference.yml`, as PaddleOCR writes it and as hands change it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ArtifactError, EngineError
from runtime.recognition.model.inference_yml import InferenceYml, read_inference_yml
from tests.fakes.anything import ANYTHING, RELAXED

yaml = pytest.importorskip("yaml", reason="inference.yml is read with it")

PADDLEOCR = """
Global:
  model_name: PP-OCRv4_mobile_rec
Hpi:
  backend_configs:
    paddle_infer:
      trt_dynamic_shapes: &id001
        x:
        - [1, 3, 48, 160]
        - [8, 3, 48, 3200]
    tensorrt:
      dynamic_shapes: *id001
PreProcess:
  transform_ops:
  - DecodeImage:
      channel_first: false
      img_mode: BGR
  - MultiLabelEncode:
      gtc_encode: NRTRLabelEncode
  - RecResizeImg:
      image_shape: [3, 48, 320]
  - KeepKeys:
      keep_keys: [image, label_ctc]
PostProcess:
  name: CTCLabelDecode
  character_dict:
  - "'"
  - '"'
  - '0'
  - 疗
  - "\\u3000"
  - '#'
  - 1
  - '~'
"""


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "inference.yml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_paddleocrs_own_file(tmp_path: Path) -> None:
    assert read_inference_yml(written(tmp_path, PADDLEOCR)) == InferenceYml(
        characters=("'", '"', "0", "疗", "\u3000", "#", "1", "~"),
        image_shape=(3, 48, 320),
        model_name="PP-OCRv4_mobile_rec",
    )


@pytest.mark.parametrize(
    "told",
    ["", "Global:\n", "Global: {}\n", "Global: {model_name: }\n", "Global: {use_gpu: false}\n"],
)
def test_the_models_name_may_be_missing(tmp_path: Path, told: str) -> None:
    rest = PADDLEOCR[PADDLEOCR.index("PreProcess") :]
    assert read_inference_yml(written(tmp_path, told + rest)).model_name == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("character_dict:", "characters:"),
        ("character_dict:", "character_dict: abc\n  other:"),
        ("character_dict:", "character_dict: []\n  other:"),
        ("- 疗", "-"),
        ("RecResizeImg", "DetResizeForTest"),
        ("[3, 48, 320]", "[48, 320]"),
        ("[3, 48, 320]", ""),
        ("PostProcess:", "PostProcess: DBPostProcess\nOther:"),
        ("PostProcess:", "PostProcess:\nOther:"),
        ("PreProcess:", "Preprocess:"),
        ("transform_ops:", "transform_ops:\n  others:"),
    ],
)
def test_another_kind_of_model_is_told_from_a_recogniser(
    tmp_path: Path, old: str, new: str
) -> None:
    assert PADDLEOCR.count(old) == 1
    path = written(tmp_path, PADDLEOCR.replace(old, new))
    told = r"inference\.yml describes no CTC recogniser: expected .*, got .*; give the folder"
    with pytest.raises(ArtifactError, match=told):
        read_inference_yml(path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[3, 48, 320]", "[3, tall, 320]", "image_shape H: expected a whole .* got 'tall'"),
        ("[3, 48, 320]", "[3, 1000000000, 320]", "image_shape H: .* got 1000000000"),
        ("[3, 48, 320]", "[3, -48, 320]", "image_shape H: .* got -48"),
        ("[3, 48, 320]", "[4, 48, 320]", "image_shape C: expected 1 or 3, got 4"),
        ("img_mode: BGR", "img_mode: HSV", "img_mode: expected 'BGR' or 'RGB', got 'HSV'"),
        ("model_name: PP-OCRv4_mobile_rec", "model_name: [1]", "model_name: expected a text"),
        ("- 疗", "- true", "got ValueError: True among the characters, which is none; put it"),
        ("- 疗", "- 1.5", r"1\.5 among the characters"),
        ("- 疗", "- 12", "12 among the characters"),
        ("- 疗", "- [a]", r"\['a'\] among the characters"),
        ("- 疗", f"- {'a' * 65}", "among the characters"),
    ],
)
def test_a_field_that_cannot_be_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert PADDLEOCR.count(old) == 1
    with pytest.raises(ArtifactError, match=rf"inference\.yml.*{told}"):
        read_inference_yml(written(tmp_path, PADDLEOCR.replace(old, new)))


def test_the_colour_order_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, PADDLEOCR.replace("img_mode: BGR", "img_mode: RGB"))
    assert read_inference_yml(path).color_order == "RGB"


PLACES: tuple[tuple[str | int, ...], ...] = (
    *(("Global",), ("Global", "model_name"), ("PreProcess",), ("PostProcess",)),
    *(("PreProcess", "transform_ops"), ("PreProcess", "transform_ops", 2)),
    *(("PreProcess", "transform_ops", 0, "DecodeImage"), ("PostProcess", "character_dict")),
    ("PreProcess", "transform_ops", 0, "DecodeImage", "img_mode"),
    ("PreProcess", "transform_ops", 2, "RecResizeImg"),
    ("PreProcess", "transform_ops", 2, "RecResizeImg", "image_shape"),
    ("PreProcess", "transform_ops", 2, "RecResizeImg", "image_shape", 1),
    ("PostProcess", "character_dict", 3),
)


@given(place=st.sampled_from(PLACES), value=ANYTHING)
@RELAXED
def test_anything_in_any_field_is_read_or_one_error(
    tmp_path: Path, place: tuple[Any, ...], value: object
) -> None:
    content = yaml.safe_load(PADDLEOCR)
    del content["Hpi"]
    part: Any = content
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    try:
        read = read_inference_yml(written(tmp_path, yaml.safe_dump(content).encode()))
    except ArtifactError as error:
        assert "inference.yml" in str(error) and "\n" not in str(error)
        str(error).encode()
        return
    assert all(isinstance(character, str) for character in read.characters)
    assert read.image_shape[0] in (1, 3) and 0 < read.image_shape[1] <= 1024


@pytest.mark.parametrize(
    "content",
    ["", "[]", "- a\n- b\n", "just words", "7", PADDLEOCR.replace("\n  model_", " [model]#")],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ArtifactError, match="describes no CTC recogniser"):
        read_inference_yml(written(tmp_path, content))


@pytest.mark.parametrize(
    "content",
    [
        b"a: [1, 2",
        b"\xff\xfe\x00",
        "Globäl: 1".encode("latin-1"),
        b"a: \x00",
        b"!!python/object/apply:os.system ['true']",
        b"a: !unknown 1",
        b"when: 2026-99-99",
        f"{PADDLEOCR}Global: [a]\n".encode(),
        b"a: &a [*a]",
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_told_in_one_line_and_runs_nothing(
    tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(ArtifactError, match=r"inference\.yml is damaged: .*; export") as told:
        read_inference_yml(written(tmp_path, content))
    assert "\n" not in str(told.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "inference.yml", tmp_path):
        with pytest.raises(ArtifactError, match=r"cannot read .*; check the path"):
            read_inference_yml(path)


def test_without_pyyaml_the_command_that_mends_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, PADDLEOCR)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(EngineError, match=r"PyYAML .*: pip install pyyaml"):
        read_inference_yml(path)
