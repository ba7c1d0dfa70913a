"""From the command to its end for one image: everything imported, loaded and read anew."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import OcrError


def commands(peer: str, model: Path, image: Path) -> dict[str, list[str]]:
    """Each contender's own command for one image."""
    scripts = Path(sysconfig.get_path("scripts"))
    return {
        "ours": [sys.executable, "-m", "runtime.infer", str(image), "--model", str(model)],
        peer: [str(scripts / peer), "-img", str(image)],
    }


def measure_cold_start(
    to_run: Mapping[str, Sequence[str]], runs: int, folder: Path, reference: str
) -> dict[str, Any]:
    """Run the commands in alternation.

    Args:
        to_run: contender -> command.
        runs: of each; one more, which fills the file cache, is not counted.
        folder: where they run.
        reference: the contender that the ratio refers to.

    Returns:
        seconds of every run of each contender, medians, and the ratio of ours to the reference.

    Raises:
        OcrError: if a command fails.
    """
    seconds: dict[str, list[float]] = {name: [] for name in to_run}
    for _ in range(runs + 1):
        for name, command in to_run.items():
            seconds[name].append(_seconds(command, folder))
    counted = {name: each[1:] for name, each in seconds.items()}
    medians = {name: statistics.median(each) for name, each in counted.items()}
    ratio = medians["ours"] / medians[reference]
    return {"seconds_each": counted, "median_s": medians, "ratio": ratio}


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
