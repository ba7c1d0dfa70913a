"""Label files of what a teacher reads: the same bytes however often it was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from runtime.errors import ArtifactError, DatasetError
from runtime.lock import OutputLock
from runtime.recognition.charset import Charset
from tests.fakes.foreign_model import write_foreign_model
from tests.training.recognition.teacher.taught import CHARACTERS, write_blocks
from training.distillation.teacher.section import TeacherPlan
from training.recognition.teacher.line_teacher import LineTeacher
from training.recognition.unlabelled import labelling
from training.recognition.unlabelled.finding import FoundLine
from training.recognition.unlabelled.judging import Demands, Judge
from training.recognition.unlabelled.labelling import Labelling, crops_beside, label

pytest.importorskip("onnxruntime", reason="teachers run in it")

NAMES = [f"{number}.png" for number in range(10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_blocks(tmp_path)
    (tmp_path / "labels.txt").unlink()
    write_foreign_model(tmp_path / "t.onnx", metadata={"character": "\n".join(CHARACTERS)})
    return tmp_path


def teacher_of(folder: Path) -> LineTeacher:
    plan = TeacherPlan("Teacher", "x", str(folder / "t.onnx"), str(folder / "cache"), 16)
    return LineTeacher(plan, Charset(tuple("abcdefghijklmnz")))


def order_of(folder: Path, **changes: Any) -> Labelling:
    output = folder / "made" / "labels.tsv"
    given: dict[str, Any] = {
        "images": (str(folder),),
        "are_pages": False,
        "demands": Demands(views=2, least_confidence=0.3),
        "detector": None,
        "max_text_length": 25,
        "output": output,
        "crops": crops_beside(output),
    }
    return Labelling(**{**given, **changes})


def rows(order: Labelling) -> dict[str, str]:
    lines = order.output.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)  # type: ignore[misc]


def test_lines_that_are_kept_are_listed_with_what_was_read(folder: Path) -> None:
    order, teacher = order_of(folder), teacher_of(folder)
    report = label(order, teacher)
    found = rows(order)
    assert len(found) == report.num_kept >= 5
    for path, text in found.items():
        assert Path(path).is_absolute()
        assert teacher.read([cv2.imread(path)])[0].text == text
    assert json.loads(order.report.read_text())["kept"] == report.num_kept


def test_an_image_that_is_none_costs_itself_alone(folder: Path) -> None:
    whole = label(order_of(folder), teacher_of(folder))
    (folder / "0a.png").write_bytes(b"no image")
    (folder / "1a.jpg").mkdir()
    report = label(order_of(folder), teacher_of(folder))
    assert report.num_kept == whole.num_kept and report.dropped["unreadable"] == 1
    assert "0a.png" in report.examples["unreadable"][0]


def test_killed_and_started_again_it_ends_in_the_same_bytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = order_of(folder)
    label(whole, teacher_of(folder))
    expected = whole.output.read_bytes(), whole.report.read_bytes()
    whole.output.unlink()
    whole.journal.unlink()

    class Killed(BaseException):
        pass

    judged: list[int] = []
    judge = Judge.__call__

    def stop(self: Judge, image: Any) -> Any:
        judged.append(1)
        if len(judged) == 5:
            raise Killed
        return judge(self, image)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Judge, "__call__", stop)
        patch.setattr(labelling, "available_cpus", lambda: 1)
        label(whole, teacher_of(folder))
    assert not whole.output.exists() and whole.journal.stat().st_size > 100

    def count(self: Judge, image: Any) -> Any:
        judged.append(1)
        return judge(self, image)

    judged.clear()
    monkeypatch.setattr(Judge, "__call__", count)
    label(whole, teacher_of(folder))
    assert (whole.output.read_bytes(), whole.report.read_bytes()) == expected
    assert 5 <= len(judged) <= 9
    # What is there stays as it is; an image that changed is read anew.
    judged.clear()
    label(whole, teacher_of(folder))
    assert not judged
    cv2.imwrite(str(folder / "3.png"), np.full((32, 50, 3), 90, np.uint8))
    label(whole, teacher_of(folder))
    assert len(judged) == 1
    label(order_of(folder, demands=Demands(views=1)), teacher_of(folder))
    assert len(judged) == 11


def test_lines_of_pages_become_images_of_their_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines_of(page: Any, *_: Any) -> Any:
        yield FoundLine(page, is_squeezed=False)
        yield FoundLine(np.ascontiguousarray(page[:, ::-1]), is_squeezed=True)

    monkeypatch.setattr(labelling, "lines_of_page", lines_of)
    order = order_of(folder, are_pages=True)
    report = label(order, teacher_of(folder))
    assert report.num_images == 10 and report.num_read == 20
    assert report.dropped[labelling.SQUEEZED] > 0
    for name in rows(order):
        assert name.startswith("labels_lines/")
        assert cv2.imread(str(order.output.parent / name)) is not None
    # A crop that was taken away is cut again.
    (order.output.parent / next(iter(rows(order)))).unlink()
    label(order, teacher_of(folder))
    assert all((order.output.parent / name).is_file() for name in rows(order))


def test_a_name_that_no_label_file_can_hold_is_copied(folder: Path) -> None:
    (folder / "0.png").rename(folder / "a\tb.png")
    (folder / "1.png").rename(folder / " 1.png")
    order = order_of(folder)
    report = label(order, teacher_of(folder))
    found = rows(order)
    assert len(found) == report.num_kept
    assert all((order.output.parent / name).is_file() for name in found)


def test_what_cannot_be_done_is_said(folder: Path) -> None:
    with pytest.raises(DatasetError, match="no line can be learnt from"):
        label(order_of(folder, demands=Demands(least_confidence=1.0)), teacher_of(folder))
    assert not (folder / "made" / "labels.tsv").exists()
    order = order_of(folder)
    with OutputLock(order.output), pytest.raises(ArtifactError, match="does so"):
        label(order, teacher_of(folder))
    with pytest.raises(ArtifactError):
        label(order_of(folder, are_pages=True, detector="nowhere.onnx"), teacher_of(folder))
