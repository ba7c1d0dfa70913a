"""Checkpoints that PaddleOCR wrote: what it would do with them, and this project does not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.errors import CheckpointError
from training.checkpoint.parameters import PARAMETERS
from training.checkpoint.saved import STATES, read_states

if TYPE_CHECKING:
    from training.plan import DeployedPlan

OWN = "config_sha256"
"""In the `.states` of every checkpoint of this project, in none of PaddleOCR's."""


def is_foreign(checkpoint: str | Path) -> bool:
    """Tell whether another program saved a checkpoint; False where no `.states` tells.

    Args:
        checkpoint: with or without `.pdparams`.
    """
    prefix = Path(str(checkpoint).removesuffix(PARAMETERS))
    if not Path(f"{prefix}{STATES}").is_file():
        return False
    try:
        return OWN not in read_states(prefix)
    except CheckpointError:  # whoever goes on from it says so
        return False


def notes_of(plan: DeployedPlan, checkpoint: str | Path) -> Iterable[str]:
    """Return what a person should know who reads with weights that PaddleOCR trained."""
    return plan.task.foreign_notes(plan.evaluation) if is_foreign(checkpoint) else ()
