"""The `Architecture` section: one network, or several under their own names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from training.distillation.model import DistillationModel
from training.distillation.teacher.section import TeacherPlan, is_teacher, read_teacher
from training.network import Network
from training.registry import Component, Problems, unknown_name
from training.task import Task
from training.tasks import task_of

Model: TypeAlias = Network | DistillationModel
Found = TypeVar("Found")

DISTILLATION_MODEL = "DistillationModel"
ALONE = ""
"""The name of a network that is the whole model."""
_NETWORK_KEYS = frozenset(
    [
        "pretrained",
        "freeze_params",
        "frozen_statistics",
        "return_all_feats",
        "in_channels",
        "Transform",
        "Backbone",
        "Neck",
        "Head",
        "model_type",
        "algorithm",
    ]
)
_MODEL_KEYS = frozenset({"name", "Models", "model_type", "algorithm"})


@dataclass(frozen=True)
class NetworkPlan:
    """One network of a config, checked.

    Args:
        path: of its section.
        backbone, neck, head: its parts; without a neck the head takes the features.
        in_channels: C of the image.
        pretrained: checkpoint that it starts from.
        is_frozen: `freeze_params`.
        keeps_statistics: `frozen_statistics`: a frozen network keeps BatchNorm's statistics and
            has no dropout, which PaddleOCR's way, false, is not; one that learns keeps them where
            it is true.
        returns_all_features: `return_all_feats`.
        of_task: keys that only its task knows.
    """

    path: str
    backbone: Component
    neck: Component | None
    head: Component
    in_channels: int = 3
    pretrained: str | None = None
    is_frozen: bool = False
    keeps_statistics: bool = False
    returns_all_features: bool = False
    of_task: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelPlan:
    """The `Architecture` section, checked.

    Args:
        task: the task that the networks do.
        networks: by name; `ALONE` is the name of a single one.
        teachers: those of `Models` that are ONNX files, by name; they are no part of the model,
            its checkpoints or what is exported.
    """

    task: type[Task]
    networks: Mapping[str, NetworkPlan]
    teachers: Mapping[str, TeacherPlan] = field(default_factory=dict)

    @property
    def is_distillation(self) -> bool:
        """Tell whether there are several networks."""
        return ALONE not in self.networks

    def build(self, num_classes: Callable[[NetworkPlan], int]) -> Model:
        """Build the networks with random weights; `pretrained` is not loaded.

        Args:
            num_classes: tells K of a network's head, for tasks whose heads have classes.
        """
        networks = {
            name: self.build_network(network, num_classes(network))
            for name, network in self.networks.items()
        }
        return DistillationModel(networks) if self.is_distillation else networks[ALONE]

    def build_network(self, plan: NetworkPlan, num_classes: int) -> Network:
        """Build one network by itself."""
        backbone = plan.backbone.build(in_channels=plan.in_channels)
        channels, neck = backbone.out_channels, None
        if plan.neck is not None:
            neck = plan.neck.build(in_channels=channels)
            channels = neck.out_channels
        head = plan.head.build(in_channels=channels, out_channels=num_classes)
        network = self.task.network(backbone, neck, head, plan.returns_all_features)
        if plan.is_frozen:
            network.freeze(plan.keeps_statistics)
        elif plan.keeps_statistics:
            network.keep_statistics()
        return network


def build_model(architecture: object, num_classes: int = 0) -> Model:
    """Build what an `Architecture` section describes; the section is left as it is.

    Args:
        architecture: one network, or `Models` with several.
        num_classes: K of every head: blank, characters and space. Heads of other decoders derive
            theirs from it; a task without classes takes none.

    Raises:
        ConfigError: naming every problem.
    """
    problems = Problems()
    plan = read_architecture(architecture, problems)
    problems.raise_any()
    assert plan is not None
    return plan.build(lambda network: num_classes)


def read_architecture(section: object, problems: Problems) -> ModelPlan | None:
    """Read the `Architecture` section; None if anything is wrong with it."""
    path = "Architecture"
    if not isinstance(section, Mapping):
        problems.add(path, f"expected a mapping, got {section!r}")
        return None
    num_problems = len(problems)
    task = task_of(section, problems)
    if task is None:
        return None
    networks: dict[str, NetworkPlan | None] = {}
    teachers: dict[str, TeacherPlan | None] = {}
    if "Models" not in section:
        networks[ALONE] = _read_network(section, path, task, problems)
    else:
        for name, network in _model_sections(section, problems).items():
            where = f"{path}.Models.{name}"
            if is_teacher(network):
                teachers[name] = _read_teacher(network, name, where, task, problems)
            else:
                networks[name] = _read_network(network, where, task, problems)
    if len(problems) > num_problems:
        return None
    return ModelPlan(task, _found(networks), _found(teachers))


def _found(plans: Mapping[str, Found | None]) -> dict[str, Found]:
    return {name: plan for name, plan in plans.items() if plan is not None}


def _read_teacher(
    section: Mapping[str, Any], name: str, path: str, task: type[Task], problems: Problems
) -> TeacherPlan | None:
    """Read the section of a network that is an ONNX file; its task knows what it may leave open."""
    plan = read_teacher(section, name, path, task.teacher_keys, problems)
    found = [] if plan is None else list(task.problems_of_teacher(plan.of_task))
    for key, message in found:
        problems.add(f"{path}.{key}", message)
    return None if found else plan


def _model_sections(section: Mapping[str, Any], problems: Problems) -> Mapping[str, Any]:
    for key in section.keys() - _MODEL_KEYS:
        problems.add(f"Architecture.{key}", unknown_name("key", key, _MODEL_KEYS))
    models = section["Models"]
    if not isinstance(models, Mapping) or not models:
        problems.add("Architecture.Models", f"expected networks, got {models!r}")
        return {}
    if section.get("name", DISTILLATION_MODEL) != DISTILLATION_MODEL:
        message = unknown_name("model", section["name"], [DISTILLATION_MODEL])
        problems.add("Architecture.name", message)
    return models


def _read_network(
    section: object, path: str, task: type[Task], problems: Problems
) -> NetworkPlan | None:
    if not isinstance(section, Mapping):
        problems.add(path, f"expected a mapping with Backbone, Neck, Head, got {section!r}")
        return None
    num_problems = len(problems)
    # The network's own keys.
    known = _NETWORK_KEYS | task.network_keys
    for key in section.keys() - known:
        problems.add(f"{path}.{key}", unknown_name("key", key, known))
    if section.get("Transform") is not None:
        message = f"no transform is supported: expected nothing, got {section['Transform']!r}"
        problems.add(f"{path}.Transform", message)
    for key in ("freeze_params", "frozen_statistics", "return_all_feats"):
        if not isinstance(section.get(key, False), bool):
            problems.add(f"{path}.{key}", f"expected true or false, got {section[key]!r}")
    in_channels = section.get("in_channels", 3)
    if type(in_channels) is not int or in_channels < 1:
        message = f"expected a whole number of channels, got {in_channels!r}"
        problems.add(f"{path}.in_channels", message)
    if not isinstance(section.get("pretrained"), str | None):
        message = f"expected a checkpoint's path, got {section['pretrained']!r}"
        problems.add(f"{path}.pretrained", message)
    # Its parts, and what does not fit between them.
    backbone = task.backbones.read(section.get("Backbone"), f"{path}.Backbone", problems)
    neck = None
    if section.get("Neck") is not None:
        neck = task.necks.read(section["Neck"], f"{path}.Neck", problems)
    head = task.heads.read(section.get("Head"), f"{path}.Head", problems)
    for key, message in task.problems_of_network(section):
        problems.add(f"{path}.{key}", message)
    if len(problems) > num_problems or backbone is None or head is None:
        return None
    return NetworkPlan(
        path=path,
        backbone=backbone,
        neck=neck,
        head=head,
        in_channels=in_channels,
        pretrained=section.get("pretrained") or None,
        is_frozen=section.get("freeze_params", False),
        keeps_statistics=section.get("frozen_statistics", section.get("freeze_params", False)),
        returns_all_features=section.get("return_all_feats", False),
        of_task={key: section[key] for key in task.network_keys if section.get(key) is not None},
    )
