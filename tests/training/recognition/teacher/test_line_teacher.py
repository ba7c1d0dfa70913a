"""A teacher reads lines from an ONNX file, once each."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.errors import ArtifactError
from runtime.recognition.charset import Charset, build_charset
from runtime.recognition.recognizer import Recognizer
from tests.fakes.foreign_model import LISTED, STRIDE_PX, coloured_lines, write_foreign_model
from training.distillation.teacher.section import TeacherPlan
from training.recognition.teacher.line_teacher import LineTeacher

pytest.importorskip("onnxruntime", reason="teachers run in it")

LATIN = Path(__file__).resolve().parents[4] / "configs" / "latin_dict.txt"


def teacher_of(file: Path, characters: str | Charset = "abcdefghij", **options: Any) -> LineTeacher:
    charset = Charset(tuple(characters)) if isinstance(characters, str) else characters
    cache = {"cache_dir": str(file.parent / "cache"), "cache_mib": 16}
    cache |= {key: options.pop(key) for key in list(options) if key in cache}
    plan = TeacherPlan("Teacher", "Architecture.Models.Teacher", str(file), **cache)
    return LineTeacher(TeacherPlan(**{**vars(plan), "of_task": options}), charset)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_foreign_model(tmp_path_factory.mktemp("model") / "m.onnx")


def test_it_reads_what_the_runtime_reads(model: Path) -> None:
    lines = coloured_lines()
    with _recognizer(model) as own:
        expected = own(lines)
    teacher = teacher_of(model, "".join(LISTED))
    for reading, result in zip(teacher.read(lines), expected, strict=True):
        assert teacher.counterparts.text_of(reading.path) == result.text
        assert reading.confidence == pytest.approx(result.confidence, abs=2e-3)


def _recognizer(model: Path) -> Recognizer:
    from runtime.recognition.score_session import ScoreSession

    return Recognizer(ScoreSession(OnnxRuntimeEngine(model, "cpu", 1)))


def test_classes_are_the_runs_and_further_ones_behind(model: Path) -> None:
    teacher = teacher_of(model, "jihgfedcba")
    assert teacher.counterparts.absent == tuple(LISTED[10:])
    assert teacher.num_joint_classes == 15
    texts = {reading.text: reading for reading in teacher.read(coloured_lines())}
    for text, reading in texts.items():
        characters = teacher.counterparts.characters
        assert "".join(characters[number - 1] for number in reading.texts[0].classes) == text
        assert reading.is_spelled_by(11) == set("jihgfedcba").issuperset(text)
    assert any(not reading.is_spelled_by(11) for reading in texts.values())


def test_a_line_is_read_once_whoever_asks(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = coloured_lines()
    teacher = teacher_of(model, cache_dir=str(model.parent / "once"))
    first = teacher.read(lines)
    other = pickle.loads(pickle.dumps(teacher))
    assert "_session" not in vars(other)

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("it was read before")

    monkeypatch.setattr(LineTeacher, "_ask", refuse)
    for reading, again in zip(first, other.read(lines), strict=True):
        assert again.texts == reading.texts and again.line_steps == reading.line_steps
        assert np.array_equal(again.classes, reading.classes)
        assert np.array_equal(again.probabilities, reading.probabilities)
    changed = lines[0].copy()
    changed[0, 0, 0] ^= 1
    with pytest.raises(AssertionError, match="read before"):
        other.read([changed])
    with pytest.raises(AssertionError, match="read before"):
        teacher_of(model, "cba", cache_dir=str(model.parent / "once")).read(lines[:1])


def test_readings_that_are_not_kept_are_the_same(model: Path) -> None:
    lines = coloured_lines()
    kept, new = teacher_of(model).read(lines), teacher_of(model, cache_mib=0).read(lines)
    for reading, again in zip(kept, new, strict=True):
        assert again.texts == reading.texts
        assert np.array_equal(again.probabilities, reading.probabilities)


def test_the_view_is_the_teachers_own(model: Path) -> None:
    line = coloured_lines()[0]
    (reading,) = teacher_of(model).read([line])
    assert teacher_of(model).step_px == STRIDE_PX
    assert reading.line_steps == line.shape[1] / STRIDE_PX
    twice = cv2.resize(line, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    (same,) = teacher_of(model).read([twice])
    assert same.text == reading.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metadata": {}}, r"does not carry its characters.* the key character_dict_path"),
        ({"input_shape": ("N", 3, "H", "W")}, r"leaves its input height open.* key height_px"),
        ({"is_blank_last": True}, r"which class is the blank.* key blank"),
        ({"is_doubled": True}, r"which output holds the scores.* key output_name"),
    ],
)
def test_what_a_file_leaves_open_is_asked_by_its_key(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    teacher = teacher_of(write_foreign_model(tmp_path / "m.onnx", **options))
    with pytest.raises(ArtifactError, match=message):
        _ = teacher.spec


def test_what_a_file_leaves_open_can_be_said(tmp_path: Path, model: Path) -> None:
    expected = [reading.text for reading in teacher_of(model).read(coloured_lines())]
    dictionary = tmp_path / "dict.txt"
    dictionary.write_text("".join(f"{entry}\n" for entry in LISTED), encoding="utf-8")
    file = write_foreign_model(
        tmp_path / "m.onnx", metadata={}, is_blank_last=True, is_doubled=True
    )
    said = {"blank": "last", "output_name": "scores", "character_dict_path": str(dictionary)}
    assert [read.text for read in teacher_of(file, **said).read(coloured_lines())] == expected


def test_values_that_cannot_be_are_problems() -> None:
    problems = LineTeacher.problems_of(
        {"blank": "middle", "height_px": 0, "character_dict_path": 3}
    )
    assert [key for key, _ in problems] == ["blank", "height_px", "character_dict_path"]
    assert "expected 'first' or 'last'" in problems[0][1]
    assert LineTeacher.problems_of({"layout": "TNK", "mean": 0.5}) == []


def test_what_its_characters_are_to_the_run_is_said(model: Path) -> None:
    known, unread = teacher_of(model, "abcdefghijxyz").notes()
    assert known == (
        "Teacher reads 14 characters: 10 are the run's, 0 look like one of them, 4 have no "
        "counterpart (日 本 語 é)"
    )
    assert unread == "of the run's 13 characters Teacher never reads 3 (x y z)"


def test_rapidocrs_recogniser_teaches_our_latin_dictionary(tmp_path: Path) -> None:
    found = importlib.util.find_spec("rapidocr")
    if found is None or found.origin is None:
        pytest.skip("rapidocr is not installed: its models teach")
    (file,) = (Path(found.origin).parent / "models").glob("*rec_small*.onnx")
    teacher = teacher_of(file, build_charset(LATIN, True), cache_dir=str(tmp_path))
    assert teacher.counterparts.num_same > 150
    assert len(teacher.counterparts.alike) > 80
    line = cv2.imread(str(LATIN.parents[1] / "images" / "line_01.jpg"))
    (reading,) = teacher.read([line])
    assert reading.is_spelled_by(teacher.charset.num_classes)
    assert reading.confidence > 0.8
    (again,) = teacher.read([line])
    assert again.texts == reading.texts
