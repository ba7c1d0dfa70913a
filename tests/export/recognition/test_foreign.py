"""Foreign models become files of this project's form, which read what the originals read."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto

from export.__main__ import main
from export.conversion.model_file import read_model
from export.recognition.adopt import adopt
from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.errors import ArtifactError, ConfigError
from runtime.recognition.model.told import LAYOUTS, Told
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.score_session import ScoreSession
from runtime.recognition.session import open_session
from runtime.recognition.spec import RecognizerSpec
from tests.fakes.foreign_model import LISTED, coloured_lines, write_foreign_model

HALF = TensorProto.FLOAT16
CASES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    *(
        ({"layout": order}, {}, [f"output turned from [{', '.join(order)}] to [N, T, K]"])
        for order in LAYOUTS[1:]
    ),
    ({"is_blank_last": True}, {"blank": "last"}, ["blank moved from the last class to the first"]),
    ({"input_type": HALF}, {}, ["input cast from float32 to float16"]),
    ({"output_type": HALF}, {}, ["output cast from float16 to float32"]),
    ({"is_doubled": True}, {"output_name": "again"}, ["the other outputs left out"]),
    ({"input_shape": ("N", 3, "H", "W")}, {"height_px": 32}, ["height fixed at 32 px"]),
    (
        {"layout": "TNK", "is_blank_last": True, "input_type": HALF, "output_type": HALF},
        {"blank": "last"},
        [
            "input cast from float32 to float16",
            "output cast from float16 to float32",
            "output turned from [T, N, K] to [N, T, K]",
            "blank moved from the last class to the first",
        ],
    ),
]


def texts_of(path: Path) -> list[str]:
    with Recognizer(path, device="cpu") as recognizer:
        lines = recognizer(coloured_lines())
    assert [line.error for line in lines] == [None] * len(lines)
    return [line.text for line in lines]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the network reads."""
    texts = texts_of(write_foreign_model(tmp_path_factory.mktemp("usual") / "m.onnx"))
    assert len(set(texts)) == len(texts) and all(texts)
    return texts


@pytest.mark.parametrize(("options", "said", "changes"), CASES)
def test_an_adopted_file_reads_right_everywhere(
    tmp_path: Path,
    expected: list[str],
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    said: dict[str, Any],
    changes: list[str],
) -> None:
    source = write_foreign_model(tmp_path / "foreign.onnx", **options)
    output = tmp_path / "adopted.onnx"
    assert adopt(source, output, told=Told(**said))["changed"] == changes
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert texts_of(output) == expected
    assert not caplog.text
    # As every other reader of such files takes it, and all that is made from it here.
    session = ScoreSession(OnnxRuntimeEngine(output, "cpu", 1))
    assert session.layout.is_canonical and not session.ends.is_half_input
    model = onnx.load(output)
    onnx.checker.check_model(model, full_check=True)
    (target,) = model.graph.output
    assert target.type.tensor_type.elem_type == TensorProto.FLOAT
    assert {entry.key: entry.value for entry in model.metadata_props}["character"] == "\n".join(
        LISTED
    )
    spec = read_model(output).spec
    assert spec == session.spec
    assert spec.provenance["changed"] == changes
    assert spec.provenance.get("told", {}) == said


def test_a_network_of_another_form_is_adopted_before_it_is_exported(tmp_path: Path) -> None:
    for options in ({"layout": "TNK"}, {"input_type": HALF}, {"output_type": HALF}):
        source = write_foreign_model(tmp_path / "foreign.onnx", **options)
        with pytest.raises(ArtifactError, match=r"another precision or order.*export adopt"):
            read_model(source)
        adopt(source, source)
        assert read_model(source).spec.characters == LISTED


def test_float16_ends_around_a_spec_are_adopted_first_too(tmp_path: Path) -> None:
    """Converters leave the metadata of a file of this project as they are."""
    spec = RecognizerSpec(LISTED, input_name="image", output_name="scores")
    source = write_foreign_model(
        tmp_path / "m.onnx", input_type=HALF, output_type=HALF, metadata=spec.to_metadata()
    )
    assert open_session(source).spec == spec
    with pytest.raises(ArtifactError, match="another precision or order"):
        read_model(source)


def test_space_and_normalisation_are_written_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_foreign_model(tmp_path / "m.onnx", num_classes=len(LISTED) + 2)
    output = tmp_path / "adopted.onnx"
    arguments = ["--space", "--color-order", "RGB", "--mean", "0.7", "--std", "0.3"]
    with caplog.at_level(logging.WARNING):
        assert main(["adopt", str(source), "--output", str(output), *arguments]) == 0
        spec = open_session(output).spec
    assert spec.characters == (*LISTED, " ")
    assert (spec.color_order, spec.mean, spec.std) == ("RGB", 0.7, 0.3)
    assert not caplog.text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--no-space"], "disagree: expected 15 classes"),
        (["--layout", "XYZ"], "--layout: expected 'NTK' or"),
        (["--std", "0"], "--std: expected a number"),
        (["--mean", "nan"], "--mean: expected a number"),
        (["--output-name", "none"], "no output of the name expected, none"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    source = write_foreign_model(tmp_path / "m.onnx", num_classes=len(LISTED) + 2)
    output = tmp_path / "out" / "adopted.onnx"
    assert main(["adopt", str(source), "--output", str(output), *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not output.parent.exists()


def test_what_the_model_says_itself_is_not_told_again(tmp_path: Path) -> None:
    spec = RecognizerSpec(LISTED, input_name="image", output_name="scores")
    source = write_foreign_model(tmp_path / "m.onnx", metadata=spec.to_metadata())
    listed = tmp_path / "dict.txt"
    listed.write_text("".join(f"{character.upper()}\n" for character in LISTED), encoding="utf-8")
    with pytest.raises(ConfigError, match="expected --dictionary alone, got blank too"):
        adopt(source, tmp_path / "out.onnx", dictionary=listed, told=Told(blank="last"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=r"--layout: .* is PaddleOCR's"):
        adopt(tmp_path / "folder", tmp_path / "out.onnx", told=Told(layout="TNK"))


def test_adopting_twice_takes_other_names(tmp_path: Path, expected: list[str]) -> None:
    source = write_foreign_model(tmp_path / "m.onnx", layout="TNK")
    adopt(source, source)
    model = onnx.load(source)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {"character": "\n".join(LISTED)})
    turned = onnx.helper.make_node(
        "Transpose", [model.graph.output[0].name], ["back"], perm=[1, 0, 2]
    )
    model.graph.node.append(turned)
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("back", TensorProto.FLOAT, None))
    onnx.save(model, source)
    assert adopt(source, source)["changed"] == ["output turned from [T, N, K] to [N, T, K]"]
    assert texts_of(source) == expected
