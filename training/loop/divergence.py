"""Stops a run at the first number that is not finite, while the last checkpoint is good."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from runtime.errors import DivergenceError
from training.checkpoint.parameters import Parameters
from training.losses import TOTAL

_SHOWN_NAMES = 8


def refuse_non_finite_losses(
    losses: Mapping[str, float], step: int, names: Sequence[str], folder: Path
) -> None:
    """Refuse a batch before anything is updated from it.

    Args:
        losses: every part by name, and the total.
        step: the step that is being made, from 1.
        names: where the batch's images came from.
        folder: of the checkpoints.

    Raises:
        DivergenceError: naming the losses, which carry their network's name, and the images.
    """
    bad = {name: value for name, value in losses.items() if not math.isfinite(value)}
    if not bad:
        return
    named = {name: value for name, value in bad.items() if name != TOTAL} or bad
    shown = ", ".join(f"{name} = {value}" for name, value in named.items())
    raise DivergenceError(
        f"training left the finite numbers at step {step}: expected finite losses, got {shown}; "
        f"images of this batch: {', '.join(names[:_SHOWN_NAMES])}"
        f"{' …' if len(names) > _SHOWN_NAMES else ''}; nothing was updated or saved since the "
        f"last checkpoint in {folder}. Lower Optimizer.lr, add warmup_epoch or clip_norm, or "
        "lower the weight of that loss"
    )


def refuse_non_finite_weights(parameters: Parameters, step: int, folder: Path) -> None:
    """Refuse to save weights that are not finite.

    Raises:
        DivergenceError: naming the first parameter that is not finite.
    """
    for name, array in parameters.items():
        if not np.isfinite(array).all():
            raise DivergenceError(
                f"{name} is not finite at step {step}: expected finite weights; the checkpoints "
                f"in {folder} are left as they were"
            )
