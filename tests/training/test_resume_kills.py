"""A run that is killed again and again ends in the same bits as one that never was.

`DISTILREC_KILLS=200 make test-slow` kills more often than the usual 50 times.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.checkpoint.safe_pickle import load_pickle
from training.loop.logs import read_metrics

ROOT = Path(__file__).resolve().parents[2]
STEPS_PER_EPOCH = 4
START_LIMIT_S = 120


def start(config: Path, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start training, from the newest checkpoint where there is one."""
    command = [sys.executable, "-m", "training.train", "-c", str(config)]
    if any(folder.glob("latest.pdparams*")):
        command += ["-o", f"Global.checkpoints={folder / 'latest'}"]
    with log.open("ab") as stream:
        return subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream)


def finish(config: Path, folder: Path, log: Path) -> None:
    """Train to the end."""
    process = start(config, folder, log)
    assert process.wait() == 0, log.read_text(errors="replace")[-2000:]


def last_step(folder: Path) -> int:
    """The newest step that the run has logged."""
    records = read_metrics(folder / "metrics.jsonl")
    return max((record["step"] for record in records), default=0)


def kill_once(config: Path, folder: Path, log: Path, rng: random.Random) -> bool:
    """Start, and kill some steps later; False when the run came to its end first."""
    before = last_step(folder)
    size = log.stat().st_size if log.exists() else 0
    process = start(config, folder, log)
    try:
        if rng.random() < 0.1:  # now and then it does not get as far as training
            time.sleep(rng.uniform(0, 5))
        else:
            wanted = before + rng.randrange(-2, 8)
            deadline = time.monotonic() + START_LIMIT_S
            while process.poll() is None and time.monotonic() < deadline:
                has_begun = b"first batch" in log.read_bytes()[size:]
                if has_begun and last_step(folder) >= wanted:
                    break
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.15))
        is_running = process.poll() is None
    finally:
        process.kill()
        process.wait()
    return is_running


def contents(folder: Path) -> dict[str, dict[str, Any]]:
    """Everything in a run's checkpoints, by file."""
    files = sorted(path for path in folder.iterdir() if path.suffix.startswith((".pd", ".st")))
    found = {file.name: dict(load_pickle(file)) for file in files}
    for name, content in found.items():
        if name.endswith(".states"):
            del content["config_sha256"]  # the two runs have folders of their own
    return found


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings as one, so that differences can be named."""
    if not isinstance(value, dict):
        return {name: value}
    return {
        key: leaf
        for part, below in value.items()
        for key, leaf in flat(below, f"{name}/{part}").items()
    }


def assert_same_bits(first: Path, second: Path) -> None:
    """Fail, naming what differs in the checkpoints of two runs."""
    left, right = flat(contents(first)), flat(contents(second))
    assert sorted(left) == sorted(right)
    assert any(name.startswith("/latest.pdopt") for name in left)
    different = [
        name
        for name, value in left.items()
        if not (
            np.array_equal(value, right[name])
            and getattr(value, "dtype", type(value)) == getattr(right[name], "dtype", type(value))
        )
    ]
    assert not different, f"{len(different)} of {len(left)} differ, e.g. {different[:3]}"


def losses(folder: Path) -> dict[int, float]:
    """Loss of every step; each has to be logged once."""
    records = [
        record for record in read_metrics(folder / "metrics.jsonl") if record["kind"] == "train"
    ]
    found = {record["step"]: record["loss"] for record in records}
    assert len(found) == len(records)
    return found


def check_kills(
    write_config: Callable[..., Path], tmp_path: Path, num_kills: int, steps: int, seed: int
) -> int:
    """Compare a run killed `num_kills` times with one left alone; returns the kills that hit."""
    changes = {
        "Global.epoch_num": -(-steps // STEPS_PER_EPOCH),
        "Global.eval_batch_step": [0, 3],
        "Global.save_epoch_step": 5,
        "Global.log_smooth_window": 1,
        "Train.loader.num_workers": 1,
        "Train.dataset.transforms": [
            {"DecodeImage": None},
            {"RecAug": None},
            {"CTCLabelEncode": None},
            {"RecResizeImg": {"image_shape": [3, 32, 96]}},
            {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
        ],
    }
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(write_config("whole", changes), whole, tmp_path / "whole.log")
    config, log = write_config("killed", changes), tmp_path / "killed.log"
    rng = random.Random(seed)
    kills = 0
    while kills < num_kills and kill_once(config, killed, log, rng):
        kills += 1
        print(json.dumps({"kill": kills, "step": last_step(killed)}), flush=True)
    finish(config, killed, log)
    assert_same_bits(whole, killed)
    assert losses(whole) == losses(killed)
    return kills


def test_a_kill(write_config: Callable[..., Path], tmp_path: Path) -> None:
    # This seed kills after the sixth step, when a checkpoint is there to go on from.
    assert check_kills(write_config, tmp_path, num_kills=1, steps=20, seed=11) == 1
    assert "resumed from" in (tmp_path / "killed.log").read_text(errors="replace")


@pytest.mark.slow
def test_many_kills(write_config: Callable[..., Path], tmp_path: Path) -> None:
    wanted = int(os.environ.get("DISTILREC_KILLS", "50"))
    kills = check_kills(write_config, tmp_path, num_kills=wanted, steps=4 * wanted, seed=wanted)
    assert kills >= 0.8 * wanted
