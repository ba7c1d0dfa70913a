"""The position of a run in its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from training.data.unreadable import Unreadable


@dataclass
class Position:
    """How far a run has come, and its best evaluation.

    Args:
        epoch: epochs completed.
        step_in_epoch: steps done in the epoch after those.
        global_step: steps done.
        best: figures of the best evaluation, with its `best_epoch`.
        start: figures before the first step; none where the run began at random.
        unreadable: lines of this epoch that were replaced by others.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    global_step: int = 0
    best: dict[str, float] = field(default_factory=dict)
    start: dict[str, float] = field(default_factory=dict)
    unreadable: Unreadable = field(default_factory=Unreadable)

    def advance(self, steps_in_epoch: int) -> None:
        """Count one step of an epoch of so many."""
        self.global_step += 1
        self.step_in_epoch += 1
        if self.step_in_epoch == steps_in_epoch:
            self.epoch, self.step_in_epoch = self.epoch + 1, 0

    @property
    def current_epoch(self) -> int:
        """Epoch of the last step, from 1."""
        return self.epoch + 1 if self.step_in_epoch else max(1, self.epoch)

    def as_state(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return {
            "epoch": self.epoch,
            "step_in_epoch": self.step_in_epoch,
            "global_step": self.global_step,
            "best_model_dict": dict(self.best),
            "start_figures": dict(self.start),
            "unreadable": self.unreadable.as_state(),
        }
