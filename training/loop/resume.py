"""Resumes a run where its checkpoint left it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paddle

from runtime.errors import CheckpointError
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import (
    parameters_path,
    read_parameters,
)
from training.checkpoint.saved import (
    AVERAGES,
    read_averages,
    read_optimizer_state,
    read_states,
    recover,
)
from training.data.unreadable import Unreadable
from training.loop.fingerprint import changes

if TYPE_CHECKING:
    from training.loop.position import Position
    from training.loop.trainer import Trainer

_SCHEDULE = "LR_Scheduler"
_MAX_COUNT = 2**53
log = logging.getLogger(__name__)


def resume(trainer: Trainer, checkpoint: str) -> Position:
    """Put weights, optimizer and position of a checkpoint into a trainer.

    Args:
        trainer: not yet started.
        checkpoint: file, prefix or folder.

    Raises:
        CheckpointError: if a file is missing or does not fit.
    """
    prefix = Path(checkpoint.removesuffix(".pdparams"))
    if not prefix.is_dir():
        recover(prefix)  # before the search: a save that was cut off may not have its names yet
    prefix = parameters_path(prefix).with_suffix("")
    recover(prefix)
    report = load_into(trainer.run.model, read_parameters(prefix), f"checkpoint {prefix}")
    log.info("%s", report)
    _load_averages(trainer, prefix)
    states = read_states(prefix)
    _load_optimizer(trainer, read_optimizer_state(prefix), f"{prefix}.pdopt")
    try:
        position = trainer.position
        position.epoch = _count(states["epoch"])
        position.step_in_epoch = _count(states.get("step_in_epoch", 0))
        position.global_step = _count(
            states.get("global_step", position.epoch * trainer.steps_per_epoch)
        )
        position.best = _figures(states.get("best_model_dict", {}))
        position.start = _figures(states.get("start_figures", {}))
        position.unreadable = Unreadable.from_state(states.get("unreadable"))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{prefix}.states does not say where the run stood ({error!r}): expected epoch; start "
            "from its weights with Global.pretrained_model"
        ) from error
    log.info("resumed from %s at step %d", prefix, position.global_step)
    for change in changes(states.get("data"), trainer.fingerprint):
        log.warning("%s", change)
    return position


def _load_averages(trainer: Trainer, prefix: Path) -> None:
    """Load the averages of the weights, and those that training goes on with."""
    saved, ema = read_averages(prefix), trainer.ema
    file = f"{prefix}{AVERAGES}"
    if saved is not None:
        state = saved.get("train_state")
        if not isinstance(state, Mapping):
            raise CheckpointError(f"{file} lacks train_state: expected the weights of the run")
        load_into(trainer.run.model, state, file)
    if ema is None:
        if saved is not None:
            log.info("the averages of %s are left out: Global.use_ema is false", file)
    elif saved is None:
        log.warning("there is no %s: the averages begin anew", file)
        ema.reset()
    else:
        ema.load_state(saved, file)


def _figures(saved: Any) -> dict[str, float]:
    """Return saved figures by name; raises TypeError or ValueError if they are none."""
    return {
        str(name): value for name, value in dict(saved).items() if isinstance(value, float | int)
    }


def _count(value: Any) -> int:
    """Return a saved number of epochs or steps as an integer.

    Raises:
        ValueError: if it is no such number.
    """
    if not 0 <= int(value) < _MAX_COUNT:
        raise ValueError(f"{value} is no count")
    return int(value)


def _has_moments(parameter: Any, kinds: Sequence[str], state: Mapping[str, Any]) -> bool:
    """Tell whether a state has any of a parameter; of what no image passes there are none."""
    return any(f"{parameter.name}_{kind}_0" in state for kind in kinds)


def _load_optimizer(trainer: Trainer, state: Mapping[str, Any], where: str) -> None:
    """Load moments and learning rate; paddle itself would ignore what is missing.

    A parameter that no loss has reached yet has no moments: a layer of PaddleOCR's that nothing
    runs, a head whose loss has no weight.
    """
    is_momentum = isinstance(trainer.optimizer, paddle.optimizer.Momentum)
    kinds = ["velocity"] if is_momentum else ["moment1", "moment2"]
    wanted = {
        f"{parameter.name}_{kind}_0": tuple(parameter.shape)
        for parameter in trainer.parameters
        for kind in kinds
        if _has_moments(parameter, kinds, state)
    }
    unfit = [
        name
        for name, shape in wanted.items()
        if tuple(getattr(state.get(name), "shape", ())) != shape
    ]
    unfit += [
        name for name in state if name not in wanted and name.endswith(("moment1_0", "velocity_0"))
    ]
    if not wanted:
        unfit = [f"{parameter.name}_{kind}_0" for parameter in trainer.parameters for kind in kinds]
    # A run may stop before its first step, when there are no moments yet.
    if unfit and set(state) - {_SCHEDULE}:
        raise CheckpointError(
            f"{where} does not fit this optimizer: {len(unfit)} moments are missing, not known or "
            f"of another shape, for example {unfit[0]}; use the config it was saved "
            "with, or start anew with Global.pretrained_model"
        )
    num_without = len(trainer.parameters) - len(wanted) // len(kinds)
    if wanted and num_without:
        log.info("%s has no moments of %d parameters: no loss reached them", where, num_without)
    try:
        with warnings.catch_warnings():
            # paddle does not expect the state of a schedule inside a warm-up.
            warnings.filterwarnings("ignore", message="There are some unused values")
            trainer.optimizer.set_state_dict(dict(state))
    except (AssertionError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{where} does not fit this learning-rate schedule: {error!r}; use the config it was "
            "saved with"
        ) from error
