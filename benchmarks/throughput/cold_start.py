"""From a new process to the text of one image: everything imported, loaded and read anew."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from runtime.errors import OcrError


def measure_cold_start(
    to_run: Mapping[str, Sequence[str]], runs: int, folder: Path
) -> dict[str, list[float]]:
    """Run commands in alternation, with the bytecode that an installed package has.

    Args:
        to_run: contender -> command that reads one image and ends.
        runs: of each; one more, which fills the file cache and compiles, is not counted.
        folder: where they run.

    Returns:
        seconds of every run of each contender.

    Raises:
        OcrError: if a command fails.
    """
    seconds: dict[str, list[float]] = {name: [] for name in to_run}
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        # Where it is set, what runs from a checkout would be compiled every time.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(runs + 1):
            for name in sorted(to_run, reverse=bool(number % 2)):
                seconds[name].append(_seconds(to_run[name], folder, environment))
    return {name: durations[1:] for name, durations in seconds.items()}


def _seconds(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise OcrError(f"{' '.join(command[:3])} failed with status {done.returncode}: {last}")
    return seconds
