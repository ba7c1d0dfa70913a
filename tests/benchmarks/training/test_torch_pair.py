"""The PyTorch networks are the same networks: their first losses agree."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.training.__main__ import options_parser
from benchmarks.training.parts import step_settings
from benchmarks.training.settings import PADDLE, PYTORCH

pytest.importorskip("torch", reason="needs PyTorch")


def test_losses_agree_before_and_after_an_update() -> None:
    options = options_parser().parse_args(
        ["--batch-size", "2", "--width", "64", "--scale", "0.125", "--steps", "1", "--warmup", "1"]
    )
    settings = replace(step_settings(options), pytorch_threads=1)
    losses = []
    for contender in (PADDLE, PYTORCH):
        command = [sys.executable, "-m", "benchmarks.training.step"]
        done = subprocess.run(
            [*command, replace(settings, contender=contender).to_json()],
            cwd=Path(__file__).resolve().parents[3],
            capture_output=True,
            text=True,
            check=True,
        )
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        losses.append((figures["first_loss"], figures["last_loss"]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
