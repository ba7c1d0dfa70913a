"""From a new process to the text of one image: everything imported, loaded and read anew."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from runtime.errors import OcrError


def measure_cold_start(
    to_run: Mapping[str, Sequence[str]], runs: int, folder: Path
) -> dict[str, list[float]]:
    """Run commands in alternation.

    Args:
        to_run: contender -> command that reads one image and ends.
        runs: of each; one more, which fills the file cache, is not counted.
        folder: where they run.

    Returns:
        seconds of every run of each contender.

    Raises:
        OcrError: if a command fails.
    """
    seconds: dict[str, list[float]] = {name: [] for name in to_run}
    for number in range(runs + 1):
        for name in sorted(to_run, reverse=bool(number % 2)):
            seconds[name].append(_seconds(to_run[name], folder))
    return {name: durations[1:] for name, durations in seconds.items()}


def _seconds(command: Sequence[str], folder: Path) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env={**os.environ}, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise OcrError(f"{' '.join(command[:3])} failed with status {done.returncode}: {last}")
    return seconds
