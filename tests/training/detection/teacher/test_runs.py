"""A Student taught by a detector that is an ONNX file: trained, resumed, refused where wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from tests.runtime.detection.conftest import toy_spec, write_toy_detector
from tests.training.detection.plans import PLAIN, config_of, problems, reread, write_pages
from tests.training.stopping import stopped_at
from training.checkpoint.parameters import networks_in, read_parameters
from training.config import Config
from training.detection.losses.distillation import DistillationDilaDBLoss, DistillationDMLLoss
from training.detection.teacher.readings import PageReadings
from training.loop.logs import read_metrics
from training.plan import read_plan
from training.train import train

pytest.importorskip("onnxruntime", reason="teachers run in it")

PAIR: dict[str, Any] = {"weight": 1.0, "model_name_pairs": ["Student", "Teacher"], "key": "maps"}
LEARNS = {"DistillationDBLoss": {"weight": 1.0, "model_name_list": ["Student"]}}
DILATED = {"DistillationDilaDBLoss": {**PAIR, "everywhere": True}}
MUTUAL = {"DistillationDMLLoss": {**PAIR, "maps_name": "thrink_maps", "reduction": "mean"}}


def taught(folder: Path, *losses: dict[str, Any], **section: Any) -> Config:
    model = folder / "teacher.onnx"
    if not model.exists():
        write_toy_detector(model, spec=toy_spec())
        write_pages(folder)
    teacher = {"onnx": str(model), "freeze_params": True, "cache_dir": str(folder), **section}
    networks = {"Student": PLAIN, "Teacher": teacher}
    return config_of(networks, folder, losses or (LEARNS, DILATED, MUTUAL))


def test_a_run_and_one_that_was_stopped_end_in_the_same_bits(tmp_path: Path) -> None:
    config = taught(tmp_path)
    whole, cut = f"Global.save_model_dir={tmp_path}/whole", f"Global.save_model_dir={tmp_path}/cut"
    train(reread(config, tmp_path, whole))
    records = read_metrics(tmp_path / "whole" / "metrics.jsonl")
    for record in (record for record in records if "lr" in record):
        assert math.isfinite(record["dila_dbloss_Student_Teacher"])
        assert record["dml_thrink_maps_0"] > 0
    with stopped_at(5):
        train(reread(config, tmp_path, cut))
    train(reread(config, tmp_path, cut, f"Global.checkpoints={tmp_path}/cut/latest"))
    left, right = (read_parameters(tmp_path / name / "latest") for name in ("whole", "cut"))
    assert set(networks_in(left)) == {"Student"}
    assert [name for name in left if not np.array_equal(left[name], right[name])] == []


def test_a_teacher_can_be_scored_beside_the_student(tmp_path: Path) -> None:
    config = taught(tmp_path)
    config.sections["PostProcess"]["model_name"] = ["Student", "Teacher"]
    figures = train(reread(config, tmp_path, "Global.epoch_num=1"))
    assert {"hmean", "Teacher_hmean"} <= set(figures["last"])


def test_a_network_sees_no_other_pixels_than_its_teacher(tmp_path: Path) -> None:
    plan = read_plan(taught(tmp_path))
    transforms = plan.task.transforms_of(plan.train)
    names = [type(step).__name__ for step in transforms]
    assert names[-3:] == ["MarkByTeachers", "ToCHWImage", "KeepKeys"]
    assert "MarkByTeachers" not in [
        type(step).__name__ for step in plan.task.transforms_of(plan.evaluation)
    ]


def maps_of(probability: float) -> paddle.Tensor:
    found = paddle.full([1, 3, 4, 4], probability)
    found.stop_gradient = False
    return found


def test_maps_are_compared_with_the_first_of_three() -> None:
    levels = np.full((1, 4, 4), 204, np.uint8)
    student = maps_of(0.6)
    outputs = {"Student": {"maps": student}, "Teacher": PageReadings(levels).outputs()}
    assert outputs["Teacher"]["maps"].shape == [1, 1, 4, 4]
    loss = DistillationDMLLoss(
        ["Student", "Teacher"], key="maps", maps_name="thrink_maps", reduction="mean"
    )
    (found,) = loss(outputs, {}).values()
    expected = 0.5 * (0.8 * math.log(0.8 / 0.6) + 0.6 * math.log(0.6 / 0.8))
    assert float(found) == pytest.approx(expected, rel=1e-3)
    found.backward()
    gradient = student.grad.numpy()
    assert (gradient[:, 0] < 0).all() and (gradient[:, 1:] == 0).all()


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_page_without_labels_is_learnt_where_everything_is(everywhere: bool) -> None:
    levels = np.zeros((1, 4, 4), np.uint8)
    levels[:, :2] = 255
    student = maps_of(0.5)
    outputs = {"Student": {"maps": student}, "Teacher": PageReadings(levels).outputs()}
    nothing = {"shrink_mask": paddle.zeros([1, 4, 4])}
    loss = DistillationDilaDBLoss(["Student", "Teacher"], key="maps", everywhere=everywhere)
    (found,) = loss(outputs, nothing).values()
    found.backward()
    assert bool(np.abs(student.grad.numpy()).max() > 0) == everywhere


WRONG = [
    (
        {"DistillationDMLLoss": {**PAIR}},
        "maps_name: Teacher is an ONNX file, which gives the shrunken text alone: expected thrink",
    ),
    (
        {"DistillationDistanceLoss": {**PAIR}},
        "expected DistillationDilaDBLoss or DistillationDMLLoss, got DistillationDistanceLoss",
    ),
    (
        {"DistillationDilaDBLoss": {**PAIR, "key": "backbone_out"}},
        "key: Teacher is an ONNX file, which gives maps alone: got backbone_out",
    ),
    (
        {"DistillationDBLoss": {"weight": 1.0, "model_name_list": ["Student", "Teacher"]}},
        "model_name_list: Teacher is an ONNX file, which learns no labels",
    ),
]


@pytest.mark.parametrize(("loss", "message"), WRONG, ids=lambda given: str(given)[:40])
def test_what_is_wrong_is_named(tmp_path: Path, loss: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in problems(taught(tmp_path, LEARNS, loss)))


def test_sizes_that_the_file_does_not_take_are_found(tmp_path: Path) -> None:
    write_pages(tmp_path)
    shape: tuple[Any, ...] = ("N", 3, 128, 128)
    write_toy_detector(tmp_path / "teacher.onnx", spec=toy_spec(), input_shape=shape)
    (problem,) = problems(taught(tmp_path))
    assert "EastRandomCropData.size" in problem and "takes other sizes" in problem


def test_an_option_that_no_detector_has_is_unknown(tmp_path: Path) -> None:
    (problem,) = problems(taught(tmp_path, height_px=48))
    assert "height_px: unknown key of a network that is an ONNX file" in problem
