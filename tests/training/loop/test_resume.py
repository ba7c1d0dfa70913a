"""What a checkpoint holds of the optimizer has to fit, but for what never had a gradient."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtime.errors import CheckpointError
from training.loop.resume import _load_optimizer

WEIGHT, BIAS = (SimpleNamespace(name=name, shape=[2]) for name in ("weight", "bias"))
ZEROS = np.zeros(2, np.float32)


def loaded(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Load moments of a weight and a bias with Adam; return what the optimizer was given."""
    given: list[dict[str, Any]] = []
    optimizer = SimpleNamespace(set_state_dict=given.append)
    trainer = SimpleNamespace(optimizer=optimizer, parameters=[WEIGHT, BIAS])
    _load_optimizer(trainer, state, "a file")  # type: ignore[arg-type]
    return given


def test_a_parameter_that_never_had_a_gradient_has_no_moments() -> None:
    state = {"weight_moment1_0": ZEROS, "weight_moment2_0": ZEROS, "LR_Scheduler": {}}
    assert loaded(state) == [state]


@pytest.mark.parametrize(
    "state",
    [
        {"weight_moment1_0": ZEROS, "LR_Scheduler": {}},
        {"weight_moment1_0": ZEROS, "weight_moment2_0": np.zeros(3, np.float32)},
        {"weight_moment1_0": ZEROS, "weight_moment2_0": ZEROS, "other_moment1_0": ZEROS},
        {"weight_velocity_0": ZEROS, "bias_velocity_0": ZEROS},
    ],
    ids=["one of two", "another shape", "another name", "another optimizer"],
)
def test_moments_that_do_not_fit_are_refused(state: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="does not fit this optimizer"):
        loaded(state)
