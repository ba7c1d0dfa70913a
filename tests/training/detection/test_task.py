"""Configs of detection: what is right, and what is wrong by its path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runtime.errors import ConfigError
from tests.training.detection.plans import (
    DILATED,
    EACH,
    MUTUAL,
    OF_TWO_MAPS,
    PLAIN,
    WITH_AUXILIARY,
    collaborative,
    config_of,
    problems,
    write_pages,
)
from training import build_loss, build_metric, build_model, build_post_process
from training.checkpoint.parameters import arrays_of, write_parameters
from training.config import Config
from training.detection.losses import DistillationDMLLoss as OfMaps
from training.detection.metrics import DetMetric
from training.detection.metrics import DistillationMetric as OfBoxes
from training.detection.post_process import DBPostProcess
from training.distillation.losses import DistillationDMLLoss
from training.plan import read_plan
from training.recognition.metrics import DistillationMetric as OfText

PAIR = {"weight": 1.0, "model_name_pairs": [["Student", "Student2"]]}


@pytest.fixture(autouse=True, scope="module")
def run_there(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Pages, and weights of a Teacher, where the configs look for them."""
    folder = tmp_path_factory.mktemp("run")
    write_pages(folder)
    teacher = build_model({"model_type": "det", **PLAIN})
    write_parameters(folder / "teacher.pdparams", arrays_of(teacher))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def pair(*losses: dict[str, Any], **options: Any) -> Config:
    networks = {name: {**PLAIN, **options} for name in ("Student", "Student2")}
    return config_of(networks, losses=losses)


@pytest.mark.parametrize("network", [PLAIN, WITH_AUXILIARY, OF_TWO_MAPS])
def test_one_network_is_right(network: dict[str, Any]) -> None:
    plan = read_plan(config_of({"": network}))
    assert plan.without_effect == () and not plan.model.is_distillation


def test_several_are_right() -> None:
    assert read_plan(collaborative()).model.is_distillation
    read_plan(pair(MUTUAL, EACH))
    read_plan(pair(MUTUAL, EACH, return_all_feats=True))
    read_plan(pair({"DistillationDistanceLoss": {**PAIR, "key": "maps"}}))
    read_plan(pair({"DistillationDMLLoss": {**PAIR, "key": "neck_out"}}, return_all_feats=True))


WRONG: dict[str, tuple[Callable[[], Config], str]] = {
    "no key": (
        lambda: pair({"DistillationDMLLoss": PAIR}),
        "Loss.loss_config_list.0.DistillationDMLLoss: DistillationDMLLoss takes one output, and "
        "the DBHead of Student gives maps: expected one of them as key",
    ),
    "wrong key": (
        lambda: pair({"DistillationDistanceLoss": {**PAIR, "key": "map"}}),
        "DistillationDistanceLoss.key: unknown output of Student 'map': expected one of maps; did",
    ),
    "a stage without stages": (
        lambda: pair({"DistillationDistanceLoss": {**PAIR, "key": "neck_out"}}),
        "unknown output of Student 'neck_out': expected one of maps",
    ),
    "features at four scales": (
        lambda: pair(
            {"DistillationDistanceLoss": {**PAIR, "key": "backbone_out"}}, return_all_feats=True
        ),
        "unknown output of Student 'backbone_out': expected one of maps, neck_out",
    ),
    "one map of one": (
        lambda: config_of(
            {"Student": OF_TWO_MAPS, "Student2": OF_TWO_MAPS},
            losses=[
                {"DistillationDMLLoss": {**PAIR, "key": "cbn_maps", "maps_name": "thrink_maps"}}
            ],
        ),
        "DistillationDMLLoss.key: expected maps or aux_maps_p4 or aux_maps_p3 or aux_maps_p2 with",
    ),
    "no neck": (
        lambda: config_of({"": {**PLAIN, "Neck": None}}),
        "Architecture.Neck: a detector's head takes features of four scales joined",
    ),
    "nothing for auxiliary heads": (
        lambda: config_of({"": {**PLAIN, "Head": WITH_AUXILIARY["Head"]}}),
        "Architecture.Head.aux_in_channels: RSEFPN gives auxiliary heads nothing to learn from",
    ),
    "auxiliary heads of another width": (
        lambda: config_of(
            {"": {**WITH_AUXILIARY, "Head": {"name": "DBHead", "aux_in_channels": 8}}}
        ),
        "Head.aux_in_channels: expected 16, the Neck's out_channels, got 8",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_named(name: str) -> None:
    make, message = WRONG[name]
    assert message in problems(make())[0]


def changed(path: str, value: Any) -> Config:
    """A right config with one value changed."""
    config = config_of({"": PLAIN})
    place: Any = config.sections
    *parents, last = path.split(".")
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    place[int(last) if isinstance(place, list) else last] = value
    return config


CHANGES = [
    (
        "Loss",
        {"name": "DBLoss", "aux_weight_p3": 0.2},
        "Loss.aux_weight_p3: the head gives no aux_maps_p3: expected 0",
    ),
    (
        "Train.dataset.transforms.3",
        {"EastRandomCropData": {"size": [64, 72]}},
        "transforms.3.EastRandomCropData.size: expected multiples of 32 px",
    ),
    (
        "Eval.dataset.transforms.2",
        {"DetResizeForTest": {"image_shape": [100, 128]}},
        "transforms.2.DetResizeForTest.image_shape: expected multiples of 32 px",
    ),
    (
        "Train.dataset.transforms.5",
        {"MakeShrinkMap": {"total_epoch": 1}},
        "transforms.5.MakeShrinkMap.total_epoch: expected 2, the epochs of the run, got 1",
    ),
    (
        "Train.dataset",
        {
            "name": "SyntheticDataSet",
            "count": 4,
            "transforms": config_of({}).sections["Train"]["dataset"]["transforms"],
        },
        "Train.dataset.name: SyntheticDataSet needs characters, which detection has none of",
    ),
    ("Global.cal_metric_during_train", True, "crops have no boxes to score by"),
    ("Metric", {"name": "RecMetric"}, "Metric.name: unknown metric 'RecMetric'"),
    ("Architecture.model_type", "dett", "unknown model type 'dett'"),
    ("Train.dataset.name", "SimpelDataSet", "did you mean SimpleDataSet?"),
    ("PostProcess.thresh", 2, "PostProcess.thresh: expected"),
    ("Architecture.Backbone", {"name": "MobileNetV1Enhance"}, "unknown backbone"),
]


@pytest.mark.parametrize(("path", "value", "message"), CHANGES)
def test_mistakes_are_named(path: str, value: Any, message: str) -> None:
    (problem, *_) = problems(changed(path, value))
    assert message in problem


def test_the_arrays_of_evaluation_do_not_train() -> None:
    config = config_of({"": PLAIN})
    config.sections["Train"]["dataset"]["transforms"] = config.sections["Eval"]["dataset"][
        "transforms"
    ]
    assert "expected the keep_keys image, threshold_map" in problems(config)[0]


def test_builders_find_the_task_that_a_section_suits() -> None:
    section = {"name": "CombinedLoss", "loss_config_list": [MUTUAL, EACH, DILATED]}
    assert isinstance(build_loss(section).losses[0], OfMaps)
    alone = {"name": "CombinedLoss", "loss_config_list": [{"DistillationDMLLoss": PAIR}]}
    assert type(build_loss(alone).losses[0]) is DistillationDMLLoss
    assert isinstance(build_loss(alone, "det").losses[0], OfMaps)
    assert isinstance(build_metric({"name": "DetMetric"}), DetMetric)
    metric = {"name": "DistillationMetric", "key": "Student"}
    assert isinstance(build_metric(metric), OfText)
    assert isinstance(build_metric({**metric, "base_metric_name": "DetMetric"}), OfBoxes)
    assert isinstance(build_metric(metric, "det"), OfBoxes)
    assert isinstance(build_post_process({"name": "DBPostProcess"}), DBPostProcess)
    with pytest.raises(ConfigError, match="unknown model type 'segm'"):
        build_metric(metric, "segm")
    # Of a section that suits no task, what the nearest one finds is told.
    wrong = {"DistillationDMLLoss": {**MUTUAL["DistillationDMLLoss"], "maps_name": "shrink"}}
    section["loss_config_list"] = [wrong, EACH, DILATED]
    with pytest.raises(ConfigError) as error:
        build_loss(section)
    (problem,) = str(error.value).splitlines()
    assert problem.startswith("Loss.loss_config_list.0.DistillationDMLLoss.maps_name: expected")
