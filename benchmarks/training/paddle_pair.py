"""Networks and losses in paddle: this project's, or PaddleOCR's own from a checkout."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from benchmarks.training.inputs import Inputs, first_weight, labels_of_decoder
from benchmarks.training.networks import PAIR_CONFIG, build_with_paddleocr
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
        model: the networks.
        run: the batch by name -> their outputs.
        loss: outputs and the batch by name -> named scalars with their sum, `loss`.
        optimizer: of every parameter that learns.
    """

    model: paddle.nn.Layer
    run: Callable[[Any], Any]
    loss: Callable[..., dict[str, paddle.Tensor]]
    optimizer: paddle.optimizer.Optimizer

    def step(self, batch: dict[str, paddle.Tensor]) -> float:
        """Run forward, losses, backward and update; return the loss."""
        total = self.loss(self.run(batch), batch)["loss"]
        total.backward()  # of a vector, which PaddleOCR's losses of maps return, every entry
        self.optimizer.step()
        self.optimizer.clear_grad()
        return float(total.sum())


def benchmark_config(settings: StepSettings) -> Config:
    """Read the config with a constant learning rate, the pair's with the sizes of `settings`."""
    if Path(settings.config) != PAIR_CONFIG:
        return load_config(Path(settings.config), [_OPTIMIZER])
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
    run: Callable[[Any], Any]
    loss: Any
    if settings.contender == PADDLEOCR:
        model, run, loss = build_with_paddleocr(config, settings)
    else:
        model = build_model(config.sections["Architecture"], settings.classes)
        loss = build_loss(config.sections["Loss"])

        def run(batch: Any) -> Any:
            return model(batch["image"], batch)

    model.train()
    for name, parameter in model.named_parameters():
        parameter.set_value(first_weight(name, parameter.shape, settings.seed))
    problems = Problems()
    plan = read_optimizer(config.sections["Optimizer"], problems)
    problems.raise_any()
    assert plan is not None
    trainable = [parameter for parameter in model.parameters() if parameter.trainable]
    optimizer, _ = plan.build(trainable, epochs=1, step_each_epoch=1000)
    paddle.seed(settings.seed)  # of dropout
    return Pair(model, run, loss, optimizer)


def tensors_of(inputs: Inputs, settings: StepSettings) -> dict[str, paddle.Tensor]:
    """Return a batch by the names that losses know, in the order that PaddleOCR's take it."""
    arrays = dict(inputs.arrays)
    if settings.decoder:
        labels = labels_of_decoder(inputs, settings.decoder, settings.classes)
        arrays = {
            "image": arrays["image"],
            "label_ctc": arrays["label"],
            f"label_{settings.decoder}": labels,
            "length": arrays["length"],
            "valid_ratio": np.ones(len(labels), np.float32),
        }
    return {name: paddle.to_tensor(array) for name, array in arrays.items()}


def prepare_paddle(
    settings: StepSettings, inputs: Inputs
) -> tuple[Callable[[], float], Inputs, dict[str, Any]]:
    """Return a step on one batch, the batch as paddle holds it, and notes."""
    pair, batch = build_pair(settings), tensors_of(inputs, settings)
    notes = {
        # paddle takes one thread unless this variable is set before it is imported.
        "threads": int(os.environ.get("OMP_NUM_THREADS", "1")),
        "framework": f"paddle {paddle.__version__}",
        "fast_kernels": fast_path_enabled(),
        "trainable_parameters": sum(
            int(parameter.size) for parameter in pair.model.parameters() if parameter.trainable
        ),
    }
    names = {name: "label_ctc" if name not in batch else name for name in inputs.arrays}
    fed = Inputs({name: batch[given].numpy() for name, given in names.items()})
    return lambda: pair.step(batch), fed, notes
