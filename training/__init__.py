"""Trains networks with knowledge distillation as PaddleOCR's configs describe it.

The four builders are called as PaddleOCR calls its own, with the sections of a config:

    model = build_model(config["Architecture"], num_classes=K)
    loss = build_loss(config["Loss"])
    outputs = model(batch["image"], batch)
    losses = loss(outputs, batch)  # batch: by the names of `KeepKeys`; losses["loss"] is the sum
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.losses import CombinedLoss
    from training.networks import Model

__all__ = ["build_loss", "build_metric", "build_model", "build_post_process"]


def build_model(architecture: Mapping[str, Any], num_classes: int = 0) -> Model:
    """Build what an `Architecture` section describes; the section is left as it is.

    Args:
        architecture: one network, or `Models` with several; `model_type` chooses the task.
        num_classes: K, which counts blank, characters and space. Heads of other decoders derive
            theirs from it; a task without classes takes none.

    Raises:
        ConfigError: naming every problem.
    """
    from training import networks

    return networks.build_model(architecture, num_classes)


def build_loss(section: Mapping[str, Any], model_type: str | None = None) -> CombinedLoss:
    """Build a `Loss` section; the section is left as it is.

    Args:
        section: one loss, or `CombinedLoss` with several.
        model_type: whose losses, as an `Architecture` section names its task; None for those of
            the first task that the section suits.

    Raises:
        ConfigError: naming every problem.
    """
    from training.losses import read_loss
    from training.tasks import read_as_a_task_does

    plan = read_as_a_task_does(
        "losses", lambda table, problems: read_loss(section, table, problems), model_type
    )
    return plan.build()


def build_post_process(
    section: Mapping[str, Any],
    global_section: Mapping[str, Any] | None = None,
    model_type: str | None = None,
) -> Any:
    """Build a `PostProcess` section; the sections are left as they are.

    Args:
        section: the `PostProcess` section.
        global_section: the `Global` section, for `character_dict_path` and `use_space_char`.
        model_type: of the task; None for the first one that the section suits.

    Raises:
        ConfigError: naming every problem.
    """
    from training.config import read_global
    from training.registry import Problems
    from training.tasks import TASKS, read_as_a_task_does

    component = read_as_a_task_does(
        "post_processes",
        lambda table, problems: table.read(section, "PostProcess", problems),
        model_type,
    )
    problems = Problems()
    settings = read_global(global_section or {}, problems)
    problems.raise_any()
    assert settings is not None
    task = next(
        task
        for task in TASKS.values()
        if task.post_processes.builders.get(component.name) is component.builder
    )
    of_config = task.read(settings, problems)
    problems.raise_any()
    assert of_config is not None
    return component.build(**of_config.injected)


def build_metric(section: Mapping[str, Any], model_type: str | None = None) -> Any:
    """Build a `Metric` section; the section is left as it is.

    Args:
        section: the `Metric` section.
        model_type: of the task; None for the first one that the section suits.

    Raises:
        ConfigError: naming every problem.
    """
    from training.tasks import read_as_a_task_does

    component = read_as_a_task_does(
        "metrics", lambda table, problems: table.read(section, "Metric", problems), model_type
    )
    return component.build()
