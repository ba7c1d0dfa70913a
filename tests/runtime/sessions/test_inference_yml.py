"""PaddleOCR's `inference.yml`, as PaddleOCR writes it and as hands change it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runtime.errors import ArtifactError, EngineError
from runtime.sessions.inference_yml import InferenceYml, read_inference_yml

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
