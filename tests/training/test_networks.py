"""Every mistake that an `Architecture` section can hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runtime.errors import ConfigError
from training import build_model
from training.networks import ALONE, read_architecture
from training.registry import Problems

Section = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Backbone": None}, "Architecture.Backbone: expected a mapping with a name, got None"),
        ({"Backbone": {"scale": 1}}, "expected the key name with a backbone"),
        ({"Backbone": {"name": "MobileNetV1Enhanced"}}, "did you mean MobileNetV1Enhance"),
        ({"Neck": None}, "Architecture.Neck: a CTC head needs a sequence"),
        ({"Head": {"name": "CTCHeads"}}, "did you mean CTCHead"),
        ({"Transform": {"name": "TPS"}}, "Architecture.Transform: no transform is supported"),
        ({"freeze_params": "yes"}, "freeze_params: expected true or false, got 'yes'"),
        ({"return_all_feats": 1}, "return_all_feats: expected true or false, got 1"),
        ({"return_all_feat": True}, "did you mean return_all_feats"),
        ({"in_channels": "3"}, "in_channels: expected a whole number of channels, got '3'"),
        ({"pretrained": True}, "pretrained: expected a checkpoint's path, got True"),
    ],
)
def test_mistakes_of_one_network(
    tiny_network: Section, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model(tiny_network(**changes), 5)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (None, "Architecture: expected a mapping, got None"),
        ({"Models": []}, "Architecture.Models: expected networks"),
        ({"Models": {}}, "Architecture.Models: expected networks"),
        ({"Models": {"Student": None}}, "Architecture.Models.Student: expected a mapping"),
        ({"Models": {"Student": {}}}, "Architecture.Models.Student.Head: expected a mapping"),
        ({"Models": {"a": {}}, "name": "DistillModel"}, "did you mean DistillationModel"),
        ({"Models": {"a": {}}, "Backbone": {}}, "Architecture.Backbone: unknown key"),
    ],
)
def test_mistakes_of_several(architecture: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model(architecture, 5)


def test_all_mistakes_are_reported_at_once(tiny_network: Section) -> None:
    broken = tiny_network(Backbone={"name": "x"}, Neck={"name": "y"}, Head={"name": "z"})
    problems = Problems()
    assert read_architecture({"Models": {"a": broken, "b": tiny_network()}}, problems) is None
    assert len(problems) == 3


def test_networks_by_name(tiny_network: Section) -> None:
    alone = read_architecture(tiny_network(), Problems())
    assert alone is not None and not alone.is_distillation
    assert {name: plan.path for name, plan in alone.networks.items()} == {ALONE: "Architecture"}
    several = read_architecture({"Models": {"Student": tiny_network()}}, Problems())
    assert several is not None and several.is_distillation
    assert several.networks["Student"].path == "Architecture.Models.Student"


def test_an_unknown_task(tiny_network: Section) -> None:
    with pytest.raises(ConfigError, match=r"Architecture\.model_type: unknown model type 'kie'"):
        build_model(tiny_network(model_type="kie"), 5)
