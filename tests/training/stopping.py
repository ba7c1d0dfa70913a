"""Runs that end before their last step, as a killed one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from training.loop.trainer import Trainer


class Stopped(Exception):
    """Raised in place of a kill."""


@contextmanager
def stopped_at(step: int) -> Iterator[None]:
    """Stop the run that trains in a block once a step is logged; fail if it never comes there."""
    log_step = Trainer._log_step

    def stop(trainer: Trainer, *arguments: Any) -> None:
        log_step(trainer, *arguments)
        if trainer.position.global_step == step:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Trainer, "_log_step", stop)
        yield
