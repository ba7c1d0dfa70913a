"""Saves where a run stands as a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import paddle

from training.checkpoint.parameters import arrays_of
from training.checkpoint.saved import save_checkpoint
from training.loop.divergence import refuse_non_finite_weights

if TYPE_CHECKING:
    from training.loop.trainer import Trainer


def save(trainer: Trainer, name: str) -> None:
    """Save a checkpoint of this name in the main process.

    The parameters are the averages, where there are any; the others are saved beside them.

    Raises:
        DivergenceError: if a weight is not finite.
        CheckpointError: if the disk refuses.
    """
    if not trainer.group.is_main:
        return
    run, position = trainer.run, trainer.position
    parameters, averages = arrays_of(run.model), None
    refuse_non_finite_weights(parameters, position.global_step, trainer.folder)
    if trainer.ema is not None:
        averages = {"train_state": parameters, **trainer.ema.as_state()}
        parameters = {key: value.numpy() for key, value in trainer.ema.averages().items()}
    save_checkpoint(
        trainer.folder / name,
        parameters,
        {
            key: value.numpy() if isinstance(value, paddle.Tensor) else value
            for key, value in trainer.optimizer.state_dict().items()
        },
        {
            **position.as_state(),
            "config_sha256": run.plan.config.sha256,
            "data": trainer.fingerprint,
            **run.task.remembered(run.plan),
        },
        averages,
    )
