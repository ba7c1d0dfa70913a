"""The distillation pair in paddle: this project's, or PaddleOCR's own from a checkout."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle

from benchmarks.parity.paddleocr import import_paddleocr
from benchmarks.training.inputs import Inputs, first_weight
from benchmarks.training.settings import OURS, OURS_FROZEN_TEACHER, PADDLEOCR, StepSettings
from training import build_loss, build_model
from training.config import Config, load_config
from training.kernels import fast_path_enabled, set_fast_path
from training.optimizer import read_optimizer
from training.registry import Problems

NETWORKS = ("Teacher", "Student")
_OPTIMIZER = "Optimizer.lr={name: Const, learning_rate: 0.001}"


@dataclass(frozen=True)
class Pair:
    """Networks, losses and optimizer.

    Args:
        model: images -> output of each network by name.
        loss: outputs and the batch by name -> named scalars with their sum, `loss`.
        optimizer: of every parameter that learns.
    """

    model: paddle.nn.Layer
    loss: Callable[..., dict[str, paddle.Tensor]]
    optimizer: paddle.optimizer.Optimizer

    def step(self, batch: dict[str, paddle.Tensor]) -> float:
        """Run forward, losses, backward and update; return the loss."""
        total = self.loss(self.model(batch["image"]), batch)["loss"]
        total.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        return float(total)


def benchmark_config(settings: StepSettings) -> Config:
    """Read the config with the sizes of `settings` and a constant learning rate."""
    sizes = {
        "Backbone.scale": settings.scale,
        "Neck.hidden_size": settings.hidden_size,
        "Head.mid_channels": settings.mid_channels,
    }
    overrides = [_OPTIMIZER]
    for network in NETWORKS:
        overrides += [f"Architecture.Models.{network}.{key}={sizes[key]}" for key in sizes]
    if settings.contender == OURS_FROZEN_TEACHER:
        overrides += [
            "Architecture.Models.Teacher.freeze_params=true",
            "Loss.loss_config_list.0.DistillationCTCLoss.model_name_list=[Student]",
        ]
    return load_config(Path(settings.config), overrides)


def build_pair(settings: StepSettings) -> Pair:
    """Build the contender's networks with the first weights that all contenders share."""
    set_fast_path(settings.contender in (OURS, OURS_FROZEN_TEACHER))
    paddle.set_device("cpu")
    config = benchmark_config(settings)
    model: paddle.nn.Layer
    loss: Any
    if settings.contender == PADDLEOCR:
        model, loss = _paddleocr(config, settings)
    else:
        model = build_model(config.sections["Architecture"], settings.classes)
        loss = build_loss(config.sections["Loss"])
    model.train()
    for name, parameter in model.named_parameters():
        parameter.set_value(first_weight(name, parameter.shape, settings.seed))
    problems = Problems()
    plan = read_optimizer(config.sections["Optimizer"], problems)
    problems.raise_any()
    assert plan is not None
    trainable = [parameter for parameter in model.parameters() if parameter.trainable]
    optimizer, _ = plan.build(trainable, epochs=1, step_each_epoch=1000)
    return Pair(model, loss, optimizer)


def tensors_of(inputs: Inputs) -> dict[str, paddle.Tensor]:
    """Return a batch by the names that losses know."""
    arrays = {"image": inputs.images, "label": inputs.labels, "length": inputs.lengths}
    return {name: paddle.to_tensor(array) for name, array in arrays.items()}


def prepare_paddle(
    settings: StepSettings, inputs: Inputs
) -> tuple[Callable[[], float], Inputs, dict[str, Any]]:
    """Return a step on one batch, the batch as paddle holds it, and notes."""
    pair, batch = build_pair(settings), tensors_of(inputs)
    notes = {
        # paddle takes one thread unless this variable is set before it is imported.
        "threads": int(os.environ.get("OMP_NUM_THREADS", "1")),
        "framework": f"paddle {paddle.__version__}",
        "fast_kernels": fast_path_enabled(),
        "trainable_parameters": sum(
            int(parameter.size) for parameter in pair.model.parameters() if parameter.trainable
        ),
    }
    return lambda: pair.step(batch), Inputs(*(tensor.numpy() for tensor in batch.values())), notes


def _paddleocr(config: Config, settings: StepSettings) -> tuple[paddle.nn.Layer, Any]:
    """Build PaddleOCR's own model and loss from its checkout."""
    distillation_model, combined_loss = import_paddleocr(Path(settings.paddleocr))
    # Its constructors change the config they are given.
    architecture = copy.deepcopy(config.sections["Architecture"])
    for network in architecture["Models"].values():
        network["Head"]["out_channels"] = settings.classes
    losses = copy.deepcopy(config.sections["Loss"]["loss_config_list"])
    theirs = combined_loss(losses)
    # PaddleOCR's losses take the batch as a list.
    return distillation_model(architecture), lambda outputs, batch: theirs(
        outputs, list(batch.values())
    )
