"""Models of others, through real files and onnxruntime: read rightly, or refused by name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto

from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.errors import ArtifactError, ConfigError
from runtime.recognition.model.told import LAYOUTS, Told
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.score_session import ScoreSession
from runtime.recognition.session import open_session
from tests.fakes.foreign_model import LISTED, coloured_lines, write_foreign_model

pytest.importorskip("onnxruntime", reason="models are opened with it")

K = len(LISTED) + 1


def texts_of(path: Path, told: Told | None = None, **options: Any) -> list[str]:
    session = ScoreSession(OnnxRuntimeEngine(path, "cpu", 1), options.pop("dictionary", None), told)
    with Recognizer(session, **options) as recognizer:
        lines = recognizer(coloured_lines())
    assert [line.error for line in lines] == [None] * len(lines)
    return [line.text for line in lines]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the network reads in `coloured_lines`."""
    texts = texts_of(write_foreign_model(tmp_path_factory.mktemp("usual") / "m.onnx"))
    assert len(set(texts)) == len(texts) and all(texts)
    return texts


def dictionary(folder: Path, listed: list[str]) -> Path:
    path = folder / "dict.txt"
    path.write_text("".join(f"{entry}\n" for entry in listed), encoding="utf-8")
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "input_shape",
    [("N", 3, 32, "W"), (1, 3, 32, "W"), (2, 3, 32, "W"), ("N", 3, 32, 320), (4, 3, 32, 320)],
)
def test_any_order_of_the_output_is_told_by_what_it_follows(
    tmp_path: Path, expected: list[str], layout: str, input_shape: tuple[int | str, ...]
) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", layout=layout, input_shape=input_shape)
    is_squeezed = input_shape[3] == 320
    usual = write_foreign_model(tmp_path / "usual.onnx", input_shape=input_shape)
    assert texts_of(path) == (texts_of(usual) if is_squeezed else expected)


def test_an_order_that_nothing_tells_is_refused_and_can_be_said(
    tmp_path: Path,
) -> None:
    """As many lines as time steps, at the only width there is."""
    shape = (10, 3, 32, 40)
    path = write_foreign_model(tmp_path / "m.onnx", layout="TNK", input_shape=shape)
    with pytest.raises(ArtifactError, match=r"cannot be told: .*\[10, 10, 15\].*--layout NTK"):
        open_session(path)
    usual = write_foreign_model(tmp_path / "usual.onnx", input_shape=shape)
    assert texts_of(path, Told(layout="TNK")) == texts_of(usual, Told(layout="NTK"))


def test_an_order_that_is_not_the_outputs_is_refused(tmp_path: Path) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", layout="TNK")
    with pytest.raises(ArtifactError, match=r"not \[N, T, K\]: expected 3 lines there"):
        ScoreSession(OnnxRuntimeEngine(path, "cpu", 1), told=Told(layout="NTK"))


@pytest.mark.parametrize("name", ["blank", "<blank>", "[blank]", "<BLK>", "[CTCblank]"])
def test_a_list_that_names_the_blank_is_a_list_without_it(
    tmp_path: Path, expected: list[str], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    for is_last, listed in ((False, (name, *LISTED)), (True, (*LISTED, name))):
        path = write_foreign_model(
            tmp_path / "m.onnx",
            is_blank_last=is_last,
            metadata={"character": "\n".join(listed)},
        )
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert texts_of(path) == expected
        assert f"{name!r}, is taken for the blank" in caplog.text
        assert "lines without writing" not in caplog.text


def test_a_blank_named_elsewhere_or_twice_is_refused(tmp_path: Path) -> None:
    for listed in (("a", "blank", "b"), ("blank", "a", "blank")):
        path = write_foreign_model(
            tmp_path / "m.onnx", num_classes=3, metadata={"character": "\n".join(listed)}
        )
        with pytest.raises(ArtifactError, match="names the blank 'blank' as entry"):
            open_session(path)


def test_a_blank_that_seems_to_be_last_is_asked_for(tmp_path: Path, expected: list[str]) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", is_blank_last=True)
    with pytest.raises(ArtifactError, match=r"which class is the blank .*--blank last.*'é'"):
        open_session(path)
    assert texts_of(path, Told(blank="last")) == expected


def test_a_list_that_holds_the_blank_unnamed_is_asked_for(
    tmp_path: Path, expected: list[str]
) -> None:
    path = write_foreign_model(
        tmp_path / "m.onnx", metadata={"character": "\n".join("-" + "".join(LISTED))}
    )
    with pytest.raises(ArtifactError, match=r"expected 16 classes .* head of 15.*--blank first"):
        open_session(path)
    assert texts_of(path, Told(blank="first")) == expected


def test_a_blank_told_against_the_list_is_refused(tmp_path: Path) -> None:
    listed = "\n".join(("blank", *LISTED))
    path = write_foreign_model(tmp_path / "m.onnx", metadata={"character": listed})
    with pytest.raises(ArtifactError, match="names the blank 'blank' first: expected it last"):
        ScoreSession(OnnxRuntimeEngine(path, "cpu", 1), told=Told(blank="last"))


def test_an_appended_space_is_said_and_can_be_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", num_classes=K + 1)
    with caplog.at_level(logging.WARNING):
        assert open_session(path).spec.characters == (*LISTED, " ")
    assert "a space is taken for the last class, since 14 characters are listed" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert open_session(path).spec.characters == (*LISTED, " ")
    assert not caplog.text, "said once of a file"
    ScoreSession(OnnxRuntimeEngine(path, "cpu", 1), told=Told(has_space=True))
    assert not caplog.text
    with pytest.raises(ArtifactError, match=r"disagree: expected 15 classes .* head of 16"):
        ScoreSession(OnnxRuntimeEngine(path, "cpu", 1), told=Told(has_space=False))
    exact = write_foreign_model(tmp_path / "exact.onnx")
    with pytest.raises(ArtifactError, match="its last class is no space"):
        ScoreSession(OnnxRuntimeEngine(exact, "cpu", 1), told=Told(has_space=True))
    assert open_session(exact).spec.characters == LISTED
    assert not caplog.text


def test_a_blank_line_that_reads_as_something_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A blank that is neither first nor last."""
    path = write_foreign_model(tmp_path / "m.onnx", is_blank_last=True, num_classes=K + 1)
    with caplog.at_level(logging.WARNING):
        ScoreSession(OnnxRuntimeEngine(path, "cpu", 1), told=Told(blank="first"))
    assert "white as ' ' (class 15); grey as ' ' (class 15); black as" in caplog.text


@pytest.mark.parametrize(
    ("input_type", "output_type"),
    [
        (TensorProto.FLOAT16, TensorProto.FLOAT16),
        (TensorProto.FLOAT16, TensorProto.FLOAT),
        (TensorProto.FLOAT, TensorProto.FLOAT16),
    ],
)
def test_float16_ends_are_cast(
    tmp_path: Path, expected: list[str], input_type: int, output_type: int
) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", input_type=input_type, output_type=output_type)
    assert texts_of(path) == expected
    assert texts_of(path, alternatives=2) == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"input_type": TensorProto.DOUBLE}, r"got image float64.*as float32"),
        ({"input_type": TensorProto.UINT8}, r"uint8 .*normalises pixels itself"),
        ({"output_type": TensorProto.DOUBLE}, r"got scores float64.*as float32"),
        ({"output_type": TensorProto.INT64}, r"chooses the classes itself"),
        ({"input_shape": ("N", 32, "W", 3)}, r"got \[N, H, W, C\].*channels first"),
        ({"input_shape": ("N", 4, 32, "W")}, r"got C = 4"),
        ({"input_shape": (10**9, 3, 32, "W")}, r"expected N up to 1024, got N = 1000000000"),
        ({"input_shape": ("N", 3, 10**9, "W")}, r"expected H up to 1024, got H = 1000000000"),
        ({"input_shape": ("N", 3, 32, 10**9)}, r"expected W up to 65536, got W = 1000000000"),
        ({"input_shape": (1024, 3, 1024, 65536)}, r"its fixed input takes \d+ bytes"),
        ({"is_doubled": True}, r"which output holds the scores.*--output-name scores"),
    ],
)
def test_other_ends_are_refused_by_name(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", **options)
    with pytest.raises(ArtifactError, match=reason) as error:
        open_session(path)
    assert "\n" not in str(error.value)


def test_the_output_that_is_named_is_read(tmp_path: Path, expected: list[str]) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", is_doubled=True)
    assert texts_of(path, Told(output_name="again")) == expected
    with pytest.raises(ArtifactError, match="no output of the name expected, other"):
        ScoreSession(OnnxRuntimeEngine(path, "cpu", 1), told=Told(output_name="other"))


@pytest.mark.parametrize(
    ("activation", "told", "said"),
    [
        ("none", "none", ""),
        ("twice", "softmax", "a softmax of a softmax"),
        ("sigmoid", "none", "between 0 and 1 but sum to"),
    ],
)
def test_what_is_no_softmax_reads_the_same_and_is_told(
    tmp_path: Path,
    expected: list[str],
    caplog: pytest.LogCaptureFixture,
    activation: str,
    told: str,
    said: str,
) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", activation=activation)
    with caplog.at_level(logging.WARNING):
        assert open_session(path).spec.output_activation == told
    assert said in caplog.text and bool(caplog.text) == bool(said)
    if activation != "sigmoid":  # its largest scores are all 1
        assert texts_of(path) == expected


def test_an_open_height_is_told_how_to_say_it(tmp_path: Path, expected: list[str]) -> None:
    path = write_foreign_model(tmp_path / "m.onnx", input_shape=("N", 3, "H", "W"))
    with pytest.raises(ArtifactError, match=r"height open.*python -m export adopt .* --height 48"):
        open_session(path)
    assert texts_of(path, Told(height_px=32)) == expected


def test_the_convention_is_said_where_nothing_marks_paddleocr(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, listed = write_foreign_model(tmp_path / "m.onnx"), dictionary(tmp_path, list(LISTED))
    with caplog.at_level(logging.WARNING):
        open_session(path)
        assert not caplog.text
        open_session(path, listed)
        assert "read as PaddleOCR's models are, BGR and (x / 255 - 0.5) / 0.5" in caplog.text
    caplog.clear()
    told = Told(color_order="RGB", mean=0.7, std=0.3)
    spec = ScoreSession(OnnxRuntimeEngine(path, "cpu", 1), listed, told).spec
    assert (spec.color_order, spec.mean, spec.std) == ("RGB", 0.7, 0.3)
    assert not caplog.text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"blank": "middle"}, r"--blank: expected 'first' or 'last'"),
        ({"has_space": 1}, r"--space or --no-space: expected False or True"),
        ({"layout": "NKK"}, r"--layout: expected 'NTK' or"),
        ({"height_px": 0}, r"--height: expected a whole number from 1 to 1024, got 0"),
        ({"height_px": -32}, r"--height: .* got -32"),
        ({"mean": float("nan")}, r"--mean: expected a number .* got nan"),
        ({"std": 0.0}, r"--std: expected a number from 1e-06"),
        ({"color_order": "HSV"}, r"--color-order: expected 'BGR' or 'RGB'"),
        ({"output_name": ""}, r"--output-name: expected a text"),
    ],
)
def test_what_cannot_be_said_is_refused(said: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Told(**said)
