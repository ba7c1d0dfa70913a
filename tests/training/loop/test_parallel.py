"""Two processes of N lines do what one process of 2 N lines does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import ConfigError
from training.loop.parallel import Group

OVERRIDES = [
    "Train.dataset.count=32",
    "Train.dataset.max_text_length=5",
    "Eval.dataset.count=4",
    "Train.loader.num_workers=0",
    "Eval.loader.num_workers=0",
    "Global.print_batch_step=1",
    "Global.log_smooth_window=1",
]


def _train(folder: Path, launcher: list[str], batch_size: int) -> list[dict[str, float]]:
    command = [sys.executable, *launcher, "-c", "configs/small.yml", "-o", *OVERRIDES]
    command += [f"Global.save_model_dir={folder}"]
    command += [f"Train.loader.batch_size_per_card={batch_size}"]
    result = subprocess.run(
        command,
        env={**os.environ, "PADDLE_DISTRI_BACKEND": "gloo"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [record for record in records if record["kind"] == "train"]


def test_two_processes_compute_the_losses_of_one_with_twice_the_batch(tmp_path):
    alone = _train(tmp_path / "one", ["-m", "training.train"], 16)
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    launch += ["--log_dir", str(tmp_path / "log"), "training/train.py"]
    together = _train(tmp_path / "two", launch, 8)
    assert len(alone) == len(together) == 2
    names = [name for name in alone[0] if name.startswith(("loss", "dml"))]
    assert len(names) == 5
    for name in names:
        # The first step differs by rounding alone; Adam's first update then amplifies it.
        assert together[0][name] == pytest.approx(alone[0][name], rel=1e-4)
        assert together[1][name] == pytest.approx(alone[1][name], rel=1e-2)
    files = {file.name for file in (tmp_path / "two").iterdir()}
    assert {"latest.pdparams", "latest.pdopt", "latest.states", "metrics.jsonl"} <= files


def test_a_batch_is_shared_out_whole():
    parts = [Group(rank, 3).share(list(range(9))) for rank in range(3)]
    assert sorted(index for part in parts for index in part) == list(range(9))
    assert {len(part) for part in parts} == {3}
    with pytest.raises(ConfigError, match="drop_last"):
        Group(0, 2).share([1, 2, 3])


def test_a_process_by_itself_exchanges_nothing():
    group = Group()
    assert group.is_main
    assert group.largest(7) == 7
    assert group.mean({"loss": 1.5}) == {"loss": 1.5}
    group.wait()
