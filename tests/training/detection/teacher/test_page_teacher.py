"""A teacher marks text on images, once each."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from runtime.errors import ArtifactError, EngineError
from tests.runtime.detection.conftest import page_of, toy_spec, write_toy_detector
from training.detection.teacher.page_teacher import PageTeacher
from training.distillation.teacher.section import TeacherPlan

pytest.importorskip("onnxruntime", reason="teachers run in it")

PAGE = page_of(64, 96, [(10, 10, 80, 30)])


def teacher_of(file: Path, mib: int = 16) -> PageTeacher:
    plan = TeacherPlan("Teacher", "Architecture.Models.Teacher", str(file), str(file.parent), mib)
    return PageTeacher(plan)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return write_toy_detector(folder / "m.onnx", spec=toy_spec())


def test_it_marks_what_is_bright(model: Path) -> None:
    (levels,) = teacher_of(model).read([PAGE])
    assert levels.dtype == np.uint8 and levels.shape == (64, 96)
    assert levels[20, 40] == 255 and levels[50, 40] == 0


def test_an_image_is_marked_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = teacher_of(model)
    (first,) = teacher.read([PAGE])
    other = pickle.loads(pickle.dumps(teacher))
    monkeypatch.setattr(PageTeacher, "_ask", None)
    assert np.array_equal(other.read([PAGE])[0], first)
    changed = PAGE.copy()
    changed[0, 0] = 7
    with pytest.raises(TypeError):
        other.read([changed])


def test_what_is_not_kept_is_the_same(model: Path) -> None:
    (kept,), (new,) = teacher_of(model).read([PAGE]), teacher_of(model, 0).read([PAGE])
    assert np.array_equal(kept, new)


def test_colours_are_in_the_teachers_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    found = {}
    for order in ("BGR", "RGB"):
        spec = toy_spec(color_order=order, std=(0.1, 0.2, 0.9))
        file = write_toy_detector(tmp_path / f"{order}.onnx", spec=spec)
        (found[order],) = teacher_of(file).read([image])
    assert not np.array_equal(found["BGR"], found["RGB"])
    mirrored = np.ascontiguousarray(image[:, :, ::-1])
    (again,) = teacher_of(tmp_path / "RGB.onnx").read([mirrored])
    assert np.array_equal(again, found["BGR"])


def test_values_that_are_not_finite_are_an_error_of_the_image(tmp_path: Path) -> None:
    file = write_toy_detector(tmp_path / "m.onnx", spec=toy_spec(), poison=0.9)
    teacher = teacher_of(file)
    with pytest.raises(EngineError, match="not finite"):
        teacher.read([np.full((32, 32, 3), 255, np.uint8)])
    assert teacher.read([PAGE])[0].max() == 255


def test_a_recogniser_is_refused(tmp_path: Path) -> None:
    file = write_toy_detector(tmp_path / "m.onnx", metadata={"character": "a\nb"})
    with pytest.raises(ArtifactError, match="no detector"):
        teacher_of(file).check()


def test_sizes_that_it_takes(tmp_path: Path, model: Path) -> None:
    assert teacher_of(model).takes(64, 96)
    shape: tuple[Any, ...] = ("N", 3, 64, 64)
    fixed = teacher_of(write_toy_detector(tmp_path / "m.onnx", spec=toy_spec(), input_shape=shape))
    assert fixed.takes(64, 64) and not fixed.takes(64, 96)


def test_rapidocrs_detector_marks_the_text_of_a_page(tmp_path: Path) -> None:
    found = importlib.util.find_spec("rapidocr")
    if found is None or found.origin is None:
        pytest.skip("rapidocr is not installed: its models teach")
    (file,) = (Path(found.origin).parent / "models").glob("*det_small*.onnx")
    plan = TeacherPlan("Teacher", "Architecture.Models.Teacher", str(file), str(tmp_path))
    teacher = PageTeacher(plan)
    line = cv2.imread(str(Path(__file__).resolve().parents[4] / "images" / "line_01.jpg"))
    page = np.full((128, 32 * -(-(line.shape[1] + 40) // 32), 3), 255, np.uint8)
    page[40 : 40 + line.shape[0], 20 : 20 + line.shape[1]] = line[: 128 - 40]
    (levels,) = teacher.read([page])
    inside = levels[40 + line.shape[0] // 2, 20 : 20 + line.shape[1]]
    assert (inside > 128).mean() > 0.5 and levels[5].max() < 128
