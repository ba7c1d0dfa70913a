"""Times training steps of one contender in this process; ends in one JSON line.

python -m benchmarks.training.step '<settings as JSON>'
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring.memory import peak_memory_mib
from benchmarks.training.inputs import Inputs, random_inputs
from benchmarks.training.settings import PYTORCH, StepSettings


@dataclass(frozen=True)
class Prepared:
    """A contender ready to learn.

    Args:
        step: forward, losses, backward, update; returns the total loss before the update.
        inputs: what its tensors hold, read back from them.
        notes: threads, versions and whatever else belongs to its figures.
    """

    step: Callable[[], float]
    inputs: Inputs
    notes: dict[str, Any]


def prepare(settings: StepSettings) -> Prepared:
    """Build one contender; nothing of a framework is imported before this is called."""
    batch = random_inputs(settings)
    if settings.contender == PYTORCH:
        from benchmarks.training.torch_pair import prepare_torch

        return Prepared(*prepare_torch(settings, batch))
    summary = settings.apply_process_settings()
    from benchmarks.training.paddle_pair import prepare_paddle

    step, inputs, notes = prepare_paddle(settings, batch)
    return Prepared(step, inputs, {**notes, "settings": summary})


def measure(prepared: Prepared, batch_size: int, warmup: int, steps: int) -> dict[str, Any]:
    """Time `steps` steps after `warmup` others.

    Returns:
        Rate, wall time and CPU time (all threads) of each step, the first and the last loss.
    """
    # At least one step goes before the clock: it compiles and allocates.
    losses = [prepared.step() for _ in range(max(1, warmup))]
    wall_s, cpu_s = [], []
    for _ in range(steps):
        wall, cpu = time.perf_counter(), time.process_time()
        losses.append(prepared.step())
        wall_s.append(time.perf_counter() - wall)
        cpu_s.append(time.process_time() - cpu)
    return {
        "images_per_s_each": [round(batch_size / seconds, 4) for seconds in wall_s],
        "step_s": [round(seconds, 5) for seconds in wall_s],
        "cpu_s": [round(seconds, 5) for seconds in cpu_s],
        "cpus_busy": round(sum(cpu_s) / sum(wall_s), 2),
        "median_step_s": statistics.median(wall_s),
        "peak_memory_mib": peak_memory_mib(),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "inputs_sha256": prepared.inputs.sha256,
        **prepared.notes,
    }


def main(arguments: list[str]) -> None:
    """Measure what the one argument says."""
    settings = StepSettings.from_json(arguments[0])
    prepared = prepare(settings)
    print(json.dumps(measure(prepared, settings.batch_size, settings.warmup, settings.steps)))


if __name__ == "__main__":
    main(sys.argv[1:])
