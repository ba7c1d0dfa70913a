"""Arms and the configs that are made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.distillation.arms import (
    ARMS,
    STUDENT_CONFIG,
    Plan,
    read_arms,
    reading_sections,
    student_of,
    training_sections,
)
from benchmarks.measuring.machine import ROOT
from runtime.errors import ConfigError
from tests.fakes.foreign_model import write_foreign_model
from training.config import Config
from training.plan import read_plan

LOSS = {"DistillationCTCLoss": {"weight": 1.0, "model_name_list": ["Student"], "key": "head_out"}}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    label_file = tmp_path / "lines.tsv"
    label_file.write_text("a.png\ta\n")
    weights = dict.fromkeys(("Student", "Twin"), ROOT / "weights" / "small_start.pdparams")
    weights["Teacher"] = ROOT / "models" / "latin" / "student.pdparams"
    onnx = write_foreign_model(tmp_path / "teacher.onnx")
    return Plan(
        train=label_file,
        val=label_file,
        num_lines=1000,
        weights=weights,
        steps=100,
        onnx=onnx,
        unlabelled=label_file,
        num_unlabelled=500,
    )


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("file", ["arms.yml", "tuning.yml", "tiny_arms.yml"])
def test_every_arm_that_is_shipped_makes_a_config_without_problems(file: str, plan: Plan) -> None:
    arms = ARMS.with_name(file)
    student = student_of(arms)
    plan = replace(plan, student=student)
    if student != STUDENT_CONFIG:
        plan = replace(plan, weights={})
    for arm in read_arms(arms):
        sections = training_sections(arm, plan, 1, Path("out"))
        read_plan(Config(None, sections))
        assert sections["PostProcess"]["model_name"][0] == arm.networks[0]
        assert not arm.frozen & set(sections["PostProcess"]["model_name"])


def test_arms_differ_in_networks_and_losses_alone(plan: Plan) -> None:
    alone, *others = (
        training_sections(arm, plan, 7, Path("out"))
        for arm in read_arms(ARMS)
        if not arm.unlabelled
    )
    assert others
    for other in others:
        for section in ("Global", "Optimizer", "Train", "Eval"):
            assert other[section] == alone[section]
        student = "Student"
        models = other["Architecture"]["Models"]
        assert models[student] == alone["Architecture"]["Models"][student]


def test_the_teacher_is_frozen_and_the_student_is_not(plan: Plan) -> None:
    (arm,) = read_arms(ARMS, ["guided"])
    models = training_sections(arm, plan, 1, Path("out"))["Architecture"]["Models"]
    assert models["Teacher"]["freeze_params"] is True
    assert models["Student"]["freeze_params"] is False


def test_overrides_of_an_arm_reach_its_config(plan: Plan) -> None:
    (arm,) = read_arms(ARMS, ["alone"])
    arm = replace(arm, options={"Optimizer.lr.learning_rate": 0.5})
    plan = replace(plan, options={"Train.loader.num_workers": 0})
    sections = training_sections(arm, plan, 1, Path("out"))
    assert sections["Optimizer"]["lr"]["learning_rate"] == 0.5
    assert sections["Train"]["loader"]["num_workers"] == 0


def test_steps_become_whole_epochs_in_which_no_line_comes_twice(plan: Plan) -> None:
    assert (plan.epochs, plan.steps_per_epoch) == (4, 25)
    assert plan.steps_per_epoch * plan.batch_size <= plan.num_lines
    short = replace(plan, steps=10)
    assert (short.epochs, short.steps_per_epoch) == (1, 10)


def test_one_network_is_read_by_itself() -> None:
    sections = reading_sections("Student", Path("w"), Path("out"), {"name": "SyntheticDataSet"})
    assert list(sections["Architecture"]["Models"]) == ["Student"]
    assert sections["Eval"]["dataset"]["transforms"]


@pytest.mark.parametrize(
    "arm",
    [
        {"networks": ["Teacher"], "losses": [LOSS]},
        {"networks": ["Student", "Tutor"], "losses": [LOSS]},
        {"networks": ["Student"]},
        {"networks": ["Student"], "losses": [LOSS], "loses": []},
        None,
    ],
)
def test_an_arm_that_cannot_be_is_refused(arm: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "arms.yml", {"arms": {"alone": arm}})
    with pytest.raises(ConfigError, match="alone: expected networks"):
        read_arms(file)


def test_a_file_without_arms_and_an_unknown_arm_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no arms"):
        read_arms(write(tmp_path / "a.yml", {"arm": {}}))
    with pytest.raises(ConfigError, match="cannot read the arms"):
        read_arms(tmp_path / "none.yml")
    with pytest.raises(ConfigError, match="no arm paired: expected some of alone"):
        read_arms(ARMS, ["paired"])


def test_lines_without_labels_take_the_place_of_others(plan: Plan) -> None:
    (arm,) = read_arms(ARMS, ["onnx_teacher_unlabelled"])
    (plain,) = read_arms(ARMS, ["onnx_teacher"])
    assert arm.needs_onnx and plain.needs_onnx and not plain.unlabelled
    own, plain_own = (
        training_sections(each, plan, 7, Path("out"))["Train"]["dataset"] for each in (arm, plain)
    )
    counts = (plan.num_lines, plan.num_unlabelled)
    taken = [share * count for share, count in zip(own["ratio_list"], counts, strict=True)]
    assert taken == [pytest.approx(sum(taken) / 2)] * 2
    assert sum(taken) == pytest.approx(plain_own["ratio_list"][0] * plan.num_lines)
