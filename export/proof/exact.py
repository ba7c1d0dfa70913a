"""A paddle network in FP64, and in FP32 rounded in several ways: what a form is held against.

All have their branches merged, each in its own precision; `strip` has shown in FP64 that this
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import paddle
from numpy.typing import NDArray

from export.contract import model_contract
from export.conversion.rebuild import default_dtype, rebuilt
from export.conversion.strip import Stripped, deployed_outputs
from export.proof.forms import ScoreForm
from export.proof.rounding import NUM_WIDER, WIDER_STEPS, nudged
from runtime.spec import ModelSpec
from training.backbones.reparameterise import reparameterise
from training.kernels import fast_path, fast_path_enabled
from training.network import Network

_NUM_NUDGED = 4
"""Draws with moved weights and inputs. With five draws in all a line's largest is above the 80th
percentile of its rounding, and the median above the 20th and below the 80th, nine times in ten."""


def exact_form(stripped: Stripped, spec: ModelSpec) -> ScoreForm:
    """Return the network in FP64: float [N, C, H, W] -> float64."""
    network = _merged(stripped, "float64")

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with paddle.no_grad():
            images = paddle.to_tensor(batch.astype(np.float64))
            result: NDArray[np.float32] = network.deployed(images).numpy()
        return result

    return ScoreForm("float64", model_contract(spec), run)


def drawn_forms(stripped: Stripped, spec: ModelSpec) -> list[ScoreForm]:
    """Return the network in FP32, rounded in several ways, the same in every process.

    The first computes as the network does. In the others every weight and every input is left or
    moved to a neighbour in FP32, and every second one sums in another order: with paddle's own
    kernels where the compiled ones of `training.kernels` would serve.
    """
    return [
        ScoreForm("paddle", model_contract(spec), deployed_outputs(stripped.network)),
        *(_draw_form(stripped, spec, number, most_steps=1) for number in range(_NUM_NUDGED)),
    ]


def wider_forms(stripped: Stripped, spec: ModelSpec) -> list[ScoreForm]:
    """Return further and wider draws of the network in FP32, for `measure_rounding`."""
    numbers = range(_NUM_NUDGED, _NUM_NUDGED + NUM_WIDER)
    return [_draw_form(stripped, spec, number, WIDER_STEPS) for number in numbers]


def _draw_form(stripped: Stripped, spec: ModelSpec, number: int, most_steps: int) -> ScoreForm:
    generator = np.random.default_rng(number)
    moved = partial(nudged, generator=generator, most_steps=most_steps)
    run = deployed_outputs(_merged(stripped, "float32", moved))

    def drawn(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        # Every second draw by paddle's own operations: they round otherwise.
        with fast_path(fast_path_enabled() and not number % 2):
            return run(moved(batch))

    return ScoreForm(f"paddle, draw {number}", model_contract(spec), drawn)


def _merged(
    stripped: Stripped,
    dtype: str,
    changed: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
) -> Network:
    """Build the network anew and merge its branches, in `dtype` throughout."""
    network = rebuilt(stripped.build, stripped.parameters, dtype, changed)
    with default_dtype(dtype):
        reparameterise(network)
    return network
