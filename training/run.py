"""Builds everything a config describes, for training, evaluation and prediction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import paddle
from paddle.utils import unique_name

from runtime.errors import ConfigError
from training.checkpoint.foreign import notes_of
from training.checkpoint.loading import LoadReport, load_into
from training.checkpoint.parameters import (
    Parameters,
    arrays_of,
    network_parameters,
    parameters_path,
    read_parameters,
)
from training.config import Config, GlobalConfig
from training.data.build import DataPart
from training.distillation.model import DistillationModel
from training.kernels import set_fast_path
from training.losses import CombinedLoss
from training.network import Network
from training.networks import ALONE, Model
from training.plan import Plan, read_plan
from training.task import StartingWeights, Task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """The parts of a run.

    Args:
        plan: the config, checked.
        model: one network or several.
        loss, post_process, metric: of the sections of those names.
    """

    plan: Plan
    model: Model
    loss: CombinedLoss
    post_process: Any
    metric: Any

    @property
    def settings(self) -> GlobalConfig:
        """The `Global` section."""
        return self.plan.settings

    @property
    def task(self) -> Task:
        """The task that the networks do."""
        return self.plan.task

    @property
    def evaluates_start(self) -> bool:
        """Whether the weights that training begins with are evaluated: given ones, if not said."""
        told = self.settings.evaluate_start
        if told is not None:
            return told
        learning = (plan for plan in self.plan.model.networks.values() if not plan.is_frozen)
        return bool(self.settings.pretrained_model) or any(plan.pretrained for plan in learning)

    def data(self, path: str) -> DataPart:
        """Build `Train` or `Eval` and log its report."""
        plan = self.plan
        part = plan.build_data(plan.train if path == "Train" else plan.evaluation)
        for line in part.report.lines():
            log.info("%s", line)
        return part

    @property
    def networks(self) -> dict[str, Network]:
        """The networks by name; `ALONE` is the name of a single one."""
        is_several = isinstance(self.model, DistillationModel)
        return self.model.networks if is_several else {ALONE: self.model}

    @property
    def main_network(self) -> Network:
        """The network whose figures choose the best model."""
        return self.networks[self.main_name]

    @property
    def main_name(self) -> str:
        """The name of that network; empty for one by itself."""
        return self.metric.key if self.plan.model.is_distillation else ALONE


def build_run(config: Config) -> Run:
    """Read a config and build it, weights at random or as `pretrained` says.

    Raises:
        ConfigError: every problem with its line.
        CheckpointError: if a pretrained checkpoint does not fit.
    """
    return run_of(read_plan(config))


def run_of(plan: Plan) -> Run:
    """Build what a plan asks for, weights at random or as `pretrained` says.

    Raises:
        CheckpointError: if a pretrained checkpoint does not fit.
    """
    run = _assemble(plan)
    load_pretrained(run)
    return run


def build_trained_run(config: Config, data: Sequence[str]) -> tuple[Run, Path]:
    """Build a config with the weights of `Global.checkpoints` or `Global.pretrained_model`.

    Args:
        config: as `load_config` gives it.
        data: which of `Train` and `Eval` will be read.

    Returns:
        The run and the `.pdparams` file that was loaded, whole but for what only training runs.

    Raises:
        ConfigError: every problem with its line, or no checkpoint being named.
        CheckpointError: if the checkpoint does not fit one to one.
    """
    plan = read_plan(config, data)
    checkpoint = plan.settings.checkpoints or plan.settings.pretrained_model
    if not checkpoint:
        raise ConfigError(
            "no checkpoint to read with: expected Global.checkpoints or Global.pretrained_model, "
            "got neither; add -o Global.checkpoints=output/best_accuracy"
        )
    path = parameters_path(checkpoint)
    run = _assemble(plan)
    where = f"checkpoint {path}"
    log.info("%s", load_into(run.model, read_parameters(path), where, is_for_reading=True))
    for note in notes_of(plan, path):
        log.info("%s", note)
    run.model.eval()
    return run, path


def _assemble(plan: Plan) -> Run:
    """Build every part of a plan, weights at random."""
    settings, task = plan.settings, plan.task
    for key in plan.without_effect:
        log.info("%s has no effect here", key)
    for note in plan.notes:
        log.info("%s", note)
    choose_device(settings)
    set_fast_path(settings.fast_cpu)
    paddle.seed(settings.seed)
    with unique_name.guard():
        model = plan.model.build(task.num_classes_of)
    if isinstance(model, DistillationModel) and not settings.cal_metric_during_train:
        used = {name for part in plan.loss.parts for name in part.networks}
        frozen = {name for name, network in model.networks.items() if network.is_frozen}
        model.leave_out_in_training(frozen - used)
    run = Run(
        plan=plan,
        model=model,
        loss=plan.loss.build(),
        post_process=plan.post_process.build(**task.injected),
        metric=plan.metric.build(),
    )
    task.fit(run.networks, plan)
    return run


def choose_device(settings: GlobalConfig) -> str:
    """Select GPU or CPU; return the device's name."""
    has_gpu = paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    if settings.use_gpu and not has_gpu:
        log.warning("use_gpu is true but paddle sees no GPU here: training on the CPU")
    if settings.use_amp and not (settings.use_gpu and has_gpu):
        log.warning("use_amp needs a GPU: training in float32")
    return str(paddle.set_device("gpu" if settings.use_gpu and has_gpu else "cpu"))


def load_pretrained(run: Run) -> list[LoadReport]:
    """Load `Global.pretrained_model`, then each network's own `pretrained`.

    A network's file may be a checkpoint of one network, or of several with one of its name.

    Returns:
        A report per file, also logged.

    Raises:
        CheckpointError: if less than half of a network fits, or shapes differ.
    """
    load = partial(
        load_into,
        is_partial_allowed=True,
        is_resized_head_allowed=run.settings.allow_resized_head,
    )
    reports = []
    path = run.settings.pretrained_model
    if path:
        where = f"pretrained_model {path}"
        parameters = read_parameters(path)
        for name in run.networks:
            prefix = f"{name}." if name else ""
            part = {
                key.removeprefix(prefix): array
                for key, array in parameters.items()
                if key.startswith(prefix)
            }
            fitted = _started(
                run, name, StartingWeights(part, parameters_path(path), name, where, run.settings)
            )
            parameters |= {f"{prefix}{key}": array for key, array in fitted.items()}
        reports.append(load(run.model, parameters, where))
    for name, plan in run.plan.model.networks.items():
        if plan.pretrained is not None:
            where = f"{plan.path}.pretrained {plan.pretrained}"
            parameters = network_parameters(read_parameters(plan.pretrained), name, where)
            file = parameters_path(plan.pretrained)
            fitted = _started(
                run, name, StartingWeights(parameters, file, name, where, run.settings)
            )
            reports.append(load(run.networks[name], fitted, where))
    for report in reports:
        log.info("%s", report)
    return reports


def _started(run: Run, name: str, weights: StartingWeights) -> Parameters:
    """Bring weights to what the outputs of a network stand for in this run, and say so."""
    plan = run.plan.model.networks[name]
    fitted, note = run.task.started(plan, arrays_of(run.networks[name]), weights)
    if note is not None:
        log.info("%s", note)
    return fitted
