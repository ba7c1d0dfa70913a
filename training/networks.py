"""From the `Architecture` section to networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.backbones import BACKBONES
from training.distillation.model import DistillationModel
from training.recognition.heads import HEADS
from training.recognition.necks import NECKS
from training.recognition.network import RecognitionNetwork
from training.registry import Problem, raise_problems, unknown_name

DISTILLATION_MODEL = "DistillationModel"
NETWORK_KEYS = frozenset(
    {
        *("pretrained", "freeze_params", "return_all_feats", "in_channels"),
        *("Transform", "Backbone", "Neck", "Head"),
    }
)
UNUSED_NETWORK_KEYS = frozenset({"model_type", "algorithm"})
"""PaddleOCR's keys that choose nothing here: everything is CTC recognition."""


def is_distillation(architecture: Mapping[str, Any]) -> bool:
    """Whether the section describes several networks."""
    return "Models" in architecture


def network_sections(architecture: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Path and section of each network; a single network's name is empty."""
    if not is_distillation(architecture):
        return {"": ("Architecture", architecture)}
    return {
        name: (f"Architecture.Models.{name}", section)
        for name, section in architecture["Models"].items()
    }


def check_architecture(architecture: object) -> list[Problem]:
    """Problems of the `Architecture` section, without building it."""
    if not isinstance(architecture, Mapping):
        return [Problem("Architecture", f"expected a mapping, got {architecture!r}")]
    if not is_distillation(architecture):
        return _check_network(architecture, "Architecture")
    models = architecture["Models"]
    problems = [
        Problem(
            f"Architecture.{key}",
            unknown_name("key", key, {"name", "Models", *UNUSED_NETWORK_KEYS}),
        )
        for key in architecture.keys() - {"name", "Models"} - UNUSED_NETWORK_KEYS
    ]
    if not isinstance(models, Mapping) or not models:
        return [*problems, Problem("Architecture.Models", f"expected networks, got {models!r}")]
    if architecture.get("name", DISTILLATION_MODEL) != DISTILLATION_MODEL:
        message = unknown_name("model", architecture["name"], [DISTILLATION_MODEL])
        problems.append(Problem("Architecture.name", message))
    for name, section in models.items():
        problems += _check_network(section, f"Architecture.Models.{name}")
    return problems


def _check_network(section: object, path: str) -> list[Problem]:
    if not isinstance(section, Mapping):
        return [Problem(path, f"expected a mapping with Backbone, Neck, Head, got {section!r}")]
    known = NETWORK_KEYS | UNUSED_NETWORK_KEYS
    problems = [
        Problem(f"{path}.{key}", unknown_name("key", key, known)) for key in section.keys() - known
    ]
    if section.get("Transform") is not None:
        message = f"no transform is supported: expected nothing, got {section['Transform']!r}"
        problems.append(Problem(f"{path}.Transform", message))
    for key in ("freeze_params", "return_all_feats"):
        if not isinstance(section.get(key, False), bool):
            message = f"expected true or false, got {section[key]!r}"
            problems.append(Problem(f"{path}.{key}", message))
    problems += BACKBONES.check(section.get("Backbone"), f"{path}.Backbone")
    in_channels = section.get("in_channels", 3)
    if type(in_channels) is not int or in_channels < 1:
        message = f"expected a whole number of channels, got {in_channels!r}"
        problems.append(Problem(f"{path}.in_channels", message))
    if not isinstance(section.get("pretrained"), str | None):
        message = f"expected a checkpoint's path, got {section['pretrained']!r}"
        problems.append(Problem(f"{path}.pretrained", message))
    if section.get("Neck") is None:
        message = (
            "a CTC head needs a sequence: expected a Neck, got none; "
            "add SequenceEncoder with encoder_type reshape"
        )
        problems.append(Problem(f"{path}.Neck", message))
    else:
        problems += NECKS.check(section["Neck"], f"{path}.Neck")
    return problems + HEADS.check(section.get("Head"), f"{path}.Head")


def build_model(
    architecture: Mapping[str, Any], num_classes: int
) -> RecognitionNetwork | DistillationModel:
    """Build what the `Architecture` section describes; the section is left as it is.

    `pretrained` is not loaded here: `training.checkpoint.saved.load_pretrained` does, and reports.

    Args:
        architecture: one network, or `Models` with several.
        num_classes: K of every head.

    Raises:
        ConfigError: naming every problem.
    """
    raise_problems(check_architecture(architecture))
    networks = {
        name: _build_network(section, path, num_classes)
        for name, (path, section) in network_sections(architecture).items()
    }
    return DistillationModel(networks) if is_distillation(architecture) else networks[""]


def _build_network(section: Mapping[str, Any], path: str, num_classes: int) -> RecognitionNetwork:
    backbone = BACKBONES.build(
        section["Backbone"], f"{path}.Backbone", in_channels=section.get("in_channels", 3)
    )
    neck = NECKS.build(section["Neck"], f"{path}.Neck", in_channels=backbone.out_channels)
    head = HEADS.build(
        section["Head"], f"{path}.Head", in_channels=neck.out_channels, out_channels=num_classes
    )
    network = RecognitionNetwork(backbone, neck, head, section.get("return_all_feats", False))
    if section.get("freeze_params", False):
        network.freeze()
    return network
