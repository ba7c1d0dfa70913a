"""Every mistake that an `Architecture` section can hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runtime.errors import ConfigError
from training.networks import build_model, check_architecture, is_distillation, network_sections

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
    assert len(check_architecture({"Models": {"a": broken, "b": tiny_network()}})) == 3


def test_sections_by_name(tiny_network: Section) -> None:
    one = tiny_network()
    assert network_sections(one) == {"": ("Architecture", one)}
    several = {"Models": {"Student": one}}
    assert network_sections(several) == {"Student": ("Architecture.Models.Student", one)}
    assert is_distillation(several) and not is_distillation(one)
