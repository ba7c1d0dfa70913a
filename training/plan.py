"""Reads a config once: every section checked and typed, every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from runtime.errors import OcrError
from training.checkpoint.named import problems_of_weights
from training.config import (
    SECTIONS,
    UNUSED_SECTIONS,
    Config,
    GlobalConfig,
    read_global,
)
from training.data.build import DataPart, DataPlan, build_data, problems_of_files, read_data
from training.distillation.checks import (
    labelling_teacher,
    problems_of_labels,
    problems_of_loss,
    problems_of_output,
)
from training.distillation.teacher.contract import Teacher
from training.distillation.teacher.section import ONNX
from training.fine_tuning.choices import with_choices
from training.fine_tuning.suited import Suited
from training.losses import LossPlan, read_loss
from training.networks import ModelPlan, read_architecture
from training.optimizer import OptimizerPlan, read_optimizer
from training.registry import Component, Problem, Problems, unknown_name
from training.task import Task
from training.tasks import task_of, unsupported_family

_DEPLOYED_SECTIONS = ("Global", "Architecture", "Eval")


@dataclass(frozen=True)
class DeployedPlan:
    """The part of a config that says how a trained network is deployed.

    Args:
        config: as its author wrote it.
        settings: its `Global` section.
        task: chosen by `Architecture.model_type`, with its settings of `Global`.
        model: its `Architecture` section.
        evaluation: its `Eval` section.
    """

    config: Config
    settings: GlobalConfig
    task: Task
    model: ModelPlan
    evaluation: DataPlan


@dataclass(frozen=True)
class Plan(DeployedPlan):
    """A whole config, checked.

    Args:
        loss, optimizer, post_process, metric, train: of the sections of those names.
        without_effect: paths of PaddleOCR's keys that change nothing here.
        notes: what a person should know of the teachers that are ONNX files.
    """

    loss: LossPlan
    optimizer: OptimizerPlan
    post_process: Component
    metric: Component
    train: DataPlan
    without_effect: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def teachers(self) -> dict[str, Teacher]:
        """The teachers that are ONNX files and read images of this run, by name."""
        labels = self.train.labelled_by
        read = (*self.train.teachers, *self.evaluation.teachers, *([labels] if labels else ()))
        return {teacher.plan.name: teacher for teacher in read}

    def build_data(self, part: DataPlan) -> DataPart:
        """Build `Train` or `Eval`; raises DatasetError as `build_data` does."""
        settings = self.settings
        return build_data(part, self.task, settings.seed, settings.max_unreadable_share)


def read_plan(config: Config, data: Sequence[str] = ("Train", "Eval")) -> Plan:
    """Read a config whole, without building anything.

    Args:
        config: as `load_config` gives it.
        data: which of `Train` and `Eval` will be read, so that its files have to be there.

    Raises:
        ConfigError: every problem with its file and line.
    """
    problems = Problems()
    config, suited = _with_choices(config, problems, "Train" in data)
    for name in config.sections:
        if name in UNUSED_SECTIONS:
            problems.without_effect.append(name)
        elif name not in SECTIONS:
            problems.add(name, unknown_name("section", name, SECTIONS))
    plan = None
    if _has_sections(config, SECTIONS, problems):
        plan = _read_all(config, data, problems)
    found: list[tuple[str, str]] = []
    if plan is not None:
        plan = _with_teachers(plan, data)
        found += _problems_of_names(plan)
        found += problems_of_labels(plan.train, plan.evaluation, plan.model)
        found += _problems_of_teachers(plan)
        found += _problems_of_frozen(plan)
        found += plan.task.problems_of_plan(plan)
    if "Train" in data:
        found += problems_of_weights(config.sections)
    problems += [Problem(path, message) for path, message in found]
    config.raise_problems(problems)
    assert plan is not None
    is_suited = suited is not None and "Train" in data
    notes = (*([str(suited)] if is_suited else []), *_notes(plan, data))
    return replace(plan, without_effect=tuple(problems.without_effect), notes=notes)


def read_deployed_plan(config: Config) -> DeployedPlan:
    """Read the sections that a trained network is deployed by; the others may be missing.

    Raises:
        ConfigError: every problem with its file and line.
    """
    problems = Problems()
    config, _ = _with_choices(config, problems, is_training=False)
    plan = None
    if _has_sections(config, _DEPLOYED_SECTIONS, problems):
        plan = _read_deployed(config, (), problems)
    config.raise_problems(problems)
    assert plan is not None
    return plan


def _with_choices(
    config: Config, problems: Problems, is_training: bool
) -> tuple[Config, Suited | None]:
    """Choose what a config leaves to be chosen, by the rules of its task.

    Raises:
        ConfigError: of a family that is not trained here, and nothing of what follows from it.
    """
    other = unsupported_family(config.sections.get("Architecture"))
    if other is not None:
        config.raise_problems([other])
    task = task_of(config.sections.get("Architecture"), Problems())
    return (config, None) if task is None else with_choices(config, task, problems, is_training)


def _has_sections(config: Config, names: Iterable[str], problems: Problems) -> bool:
    missing = [name for name in names if name not in config.sections]
    for name in missing:
        problems.add(name, "expected this section, got none")
    return not missing


def _read_deployed(config: Config, data: Sequence[str], problems: Problems) -> DeployedPlan | None:
    sections = config.sections
    settings = read_global(sections["Global"], problems)
    model = read_architecture(sections["Architecture"], problems)
    if model is None:
        return None
    task = None if settings is None else model.task.read(settings, problems)
    evaluation = _read_data(config, "Eval", model.task, data, problems)
    if settings is None or task is None or evaluation is None:
        return None
    return DeployedPlan(config, settings, task, model, evaluation)


def _read_all(config: Config, data: Sequence[str], problems: Problems) -> Plan | None:
    sections = config.sections
    deployed = _read_deployed(config, data, problems)
    optimizer = read_optimizer(sections["Optimizer"], problems)
    kind = task_of(sections["Architecture"], Problems())
    if kind is None:
        return None
    loss = read_loss(sections["Loss"], kind.losses, problems)
    post_process = kind.post_processes.read(sections["PostProcess"], "PostProcess", problems)
    metric = kind.metrics.read(sections["Metric"], "Metric", problems)
    train = _read_data(config, "Train", kind, data, problems)
    if deployed is None or loss is None or optimizer is None or train is None:
        return None
    if post_process is None or metric is None:
        return None
    return Plan(
        **vars(deployed),
        loss=loss,
        optimizer=optimizer,
        post_process=post_process,
        metric=metric,
        train=train,
    )


def _read_data(
    config: Config, name: str, task: type[Task], data: Sequence[str], problems: Problems
) -> DataPlan | None:
    part = read_data(config.sections[name], name, task, problems)
    if part is not None and name in data:
        problems += [Problem(path, message) for path, message in problems_of_files(part)]
    return part


def _problems_of_names(plan: Plan) -> Iterable[tuple[str, str]]:
    """Find networks and outputs that are used and do not exist."""
    model, task = plan.model, plan.task
    fits = True
    for section, component, table in (
        ("PostProcess", plan.post_process, task.post_processes),
        ("Metric", plan.metric, task.metrics),
    ):
        if _is_distillation(component.name) != model.is_distillation:
            wanted = " or ".join(
                name for name in table.builders if _is_distillation(name) == model.is_distillation
            )
            message = f"expected {wanted} for this Architecture, got {component.name}"
            yield f"{section}.name", message
            fits = False
            break
    if fits:
        yield from problems_of_output(plan.model, plan.post_process, plan.metric)
    for part in plan.loss.parts:
        if part.is_distillation != model.is_distillation:
            kind = "a distillation loss" if model.is_distillation else "a loss of one network"
            name = part.component.name
            message = f"expected {kind} for this Architecture, got {name}"
            yield part.component.path, message
        else:
            yield from problems_of_loss(part, model)


def _is_distillation(name: str) -> bool:
    return name.startswith("Distillation")


def _with_teachers(plan: Plan, data: Sequence[str]) -> Plan:
    """Let each section know the teachers that read its images: those that something looks at."""
    teachers = {name: plan.task.teacher(found) for name, found in plan.model.teachers.items()}
    compared = {name for part in plan.loss.parts for name in part.networks}
    named = plan.post_process.all_options.get("model_name", ())
    decoded = {named} if isinstance(named, str) else set(named)
    if plan.settings.cal_metric_during_train:
        compared |= decoded

    def those_of(section: DataPlan, names: set[str]) -> DataPlan:
        read = tuple(teacher for name, teacher in teachers.items() if name in names)
        return replace(section, teachers=read if section.path in data else ())

    labels = labelling_teacher(plan.train.dataset, plan.model)
    return replace(
        plan,
        train=replace(
            those_of(plan.train, compared),
            labelled_by=teachers[labels] if labels is not None and "Train" in data else None,
        ),
        evaluation=those_of(plan.evaluation, decoded),
    )


def _problems_of_teachers(plan: Plan) -> Iterable[tuple[str, str]]:
    """Find ONNX files that cannot be used, by opening them."""
    for teacher in plan.teachers.values():
        try:
            teacher.check()
        except OcrError as error:
            yield f"{teacher.plan.path}.{ONNX}", str(error)


def _notes(plan: Plan, data: Sequence[str]) -> Iterable[str]:
    """Say what the teachers' characters are to the run, and which of them nothing looks at."""
    for teacher in plan.teachers.values():
        yield from teacher.notes()
    if "Train" in data:
        for name in plan.model.teachers.keys() - plan.teachers.keys():
            yield f"{name} reads nothing: no loss names it"


def _problems_of_frozen(plan: Plan) -> Iterable[tuple[str, str]]:
    networks, settings = plan.model.networks, plan.settings
    if all(network.is_frozen for network in networks.values()):
        yield "Architecture", "every network is frozen: nothing would train"
    has_start = settings.pretrained_model or settings.checkpoints
    for network in networks.values():
        if network.is_frozen and not network.pretrained and not has_start:
            message = (
                "this network is frozen but starts at random: expected pretrained, "
                "Global.pretrained_model or Global.checkpoints, got none"
            )
            yield f"{network.path}.freeze_params", message
