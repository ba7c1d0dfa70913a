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
            all tasks, where a name that several have is recognition's.

    Raises:
        ConfigError: naming every problem.
    """
    from training import losses
    from training.tasks import TASKS, of_every_task

    of_task = of_every_task("losses") if model_type is None else TASKS[model_type].losses
    return losses.build_loss(section, of_task)


def build_post_process(
    section: Mapping[str, Any], global_section: Mapping[str, Any] | None = None
) -> Any:
    """Build a `PostProcess` section; the sections are left as they are.

    Args:
        section: the `PostProcess` section.
        global_section: the `Global` section, for `character_dict_path` and `use_space_char`.

    Raises:
        ConfigError: naming every problem.
    """
    from training.config import read_global
    from training.registry import Problems
    from training.tasks import TASKS, of_every_task

    problems = Problems()
    component = of_every_task("post_processes").read(section, "PostProcess", problems)
    settings = read_global(global_section or {}, problems)
    problems.raise_any()
    assert component is not None and settings is not None
    task = next(task for task in TASKS.values() if component.name in task.post_processes.builders)
    of_config = task.read(settings, problems)
    problems.raise_any()
    assert of_config is not None
    return component.build(**of_config.injected)


def build_metric(section: Mapping[str, Any]) -> Any:
    """Build a `Metric` section; the section is left as it is.

    Raises:
        ConfigError: naming every problem.
    """
    from training.tasks import of_every_task

    return of_every_task("metrics").build(section, "Metric")
