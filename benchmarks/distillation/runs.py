"""The runs of a comparison: a folder for each arm and seed, each done once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.distillation.arms import STUDENT_CONFIG, Arm, Plan, training_sections
from benchmarks.distillation.one_run import CONFIG, RESULT, TASK
from benchmarks.measuring.machine import ROOT
from runtime.errors import OcrError
from runtime.files import write_atomically

Run = dict[str, Any]
"""What a run's folder keeps: what was read, how the training went, and where."""


@dataclass(frozen=True)
class Reference:
    """A network that is read as it is.

    Args:
        name: as the table shows it.
        network: of `NETWORKS`, and no ONNX file.
        weights: its file.
    """

    name: str
    network: str
    weights: Path


def read_run(folder: Path) -> Run | None:
    """Read the result of a run's folder; return None while there is none."""
    file = folder / RESULT
    if not file.is_file():
        return None
    result: Run = json.loads(file.read_text(encoding="utf-8"))
    return result


def run_arm(
    arm: Arm, seed: int, plan: Plan, data_sets: Mapping[str, Mapping[str, Any]], folder: Path
) -> Run:
    """Train and read, unless that is done; a run that was killed goes on.

    Raises:
        OcrError: if what is done there was planned otherwise, or the run fails.
    """
    sections = training_sections(arm, plan, seed, folder)
    text = yaml.safe_dump(sections, sort_keys=False, allow_unicode=True)
    file = folder / CONFIG
    if file.is_file() and file.read_text(encoding="utf-8") != text:
        raise OcrError(
            f"{file}: expected the config that these options give, got another one; choose another "
            "--output, or remove that folder to train it again"
        )
    write_atomically(file, text.encode())
    about = {"arm": arm.name, "seed": seed}
    task = {"about": about, "network": arm.networks[0], "weights": None}
    return _run(folder, {**task, "student": str(plan.student)}, data_sets)


def run_reference(
    reference: Reference,
    data_sets: Mapping[str, Mapping[str, Any]],
    folder: Path,
    student: Path = STUDENT_CONFIG,
) -> Run:
    """Read with a network as it is, unless that is done.

    Raises:
        OcrError: if it fails.
    """
    task = {
        "about": {"reference": reference.name, "weights": reference.weights.name},
        "network": reference.network,
        "weights": str(reference.weights),
        "student": str(student),
    }
    return _run(folder, task, data_sets)


def _run(folder: Path, task: Run, data_sets: Mapping[str, Mapping[str, Any]]) -> Run:
    done = read_run(folder)
    if done is not None:
        return done
    write_atomically(folder / TASK, json.dumps({**task, "data_sets": data_sets}).encode())
    # A process of its own: settings that paddle reads as it is loaded, and memory.
    command = [sys.executable, "-m", "benchmarks.distillation.one_run", str(folder)]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    result = read_run(folder)
    if status or result is None:
        raise OcrError(
            f"{folder}: expected a result, got exit status {status}; see what the run said above, "
            "and start again to go on from its newest checkpoint"
        )
    return result
