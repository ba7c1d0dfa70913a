"""What suits a number of samples, as a task knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Suited:
    """Settings for going on from given weights with so many samples.

    Args:
        num_samples: of `Train`.
        epochs: of the run.
        batch_size: of a process.
        learning_rate: the highest.
        anchor: weight of a loss that holds the network to a teacher.
        frozen_statistics: whether BatchNorms keep their statistics.
        augmentation: options of transforms by name.
        reason: why, in words.
    """

    num_samples: int
    epochs: int
    batch_size: int
    learning_rate: float
    anchor: float
    frozen_statistics: bool = False
    augmentation: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reason: str = ""

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of an epoch, at least one."""
        return max(1, self.num_samples // self.batch_size)

    @property
    def eval_batch_step(self) -> tuple[int, int]:
        """From which step on, and how often, `Eval` is read: some five times a run."""
        return 0, max(1, self.steps_per_epoch * self.epochs // 5)

    def __str__(self) -> str:
        text = (
            f"chosen for {self.num_samples} training samples: {self.epochs} epochs of "
            f"{self.steps_per_epoch} steps, batch {self.batch_size}, rate {self.learning_rate:g}, "
            f"weight of the teacher {self.anchor:g}, statistics "
            f"{'kept' if self.frozen_statistics else 'learnt'}"
        )
        for name, options in self.augmentation.items():
            shown = ", ".join(f"{key} {value:g}" for key, value in options.items())
            text += f", {name} ({shown})"
        return f"{text}: {self.reason}"
