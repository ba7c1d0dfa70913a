"""Narrow detectors are trained, saved, resumed to the bit, evaluated and asked for boxes."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from tests.training.detection.plans import (
    CROP,
    OF_TWO_MAPS,
    PLAIN,
    WITH_AUXILIARY,
    collaborative,
    config_of,
    page,
    reread,
    write_pages,
    written,
)
from training import build_model
from training.checkpoint.parameters import arrays_of, write_parameters
from training.checkpoint.safe_pickle import load_pickle
from training.config import Config
from training.evaluate import evaluate_checkpoint
from training.loop.logs import read_metrics
from training.loop.parallel import Group
from training.loop.position import Position
from training.loop.trainer import Trainer, tensors_of
from training.losses import TOTAL
from training.predict import main as predict
from training.run import build_run
from training.train import train

ROOT = Path(__file__).resolve().parents[3]
START_LIMIT_S = 120
SUFFIXES = (".pdparams", ".pdopt", ".states")


def steps(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read_metrics(folder / "metrics.jsonl") if "lr" in record]


def write_teacher(folder: Path) -> None:
    paddle.seed(3)
    teacher = build_model({"model_type": "det", **PLAIN})
    write_parameters(folder / "teacher.pdparams", arrays_of(teacher))


def test_collaborative_learning(tmp_path: Path) -> None:
    write_pages(tmp_path)
    write_teacher(tmp_path)
    figures = train(reread(collaborative(tmp_path), tmp_path))
    assert figures["images"] == 6
    assert set(figures["last"]) == {
        *("precision", "recall", "hmean"),
        *("Student2_precision", "Student2_recall", "Student2_hmean"),
    }
    learned = steps(tmp_path / "out")
    assert [record["step"] for record in learned] == [1, 2, 3, 4, 5, 6]
    for record in learned:
        parts = [record["dila_dbloss_Student_Teacher"], record["dila_dbloss_Student2_Teacher"]]
        parts.append(record["dml_thrink_maps_0"])
        for network in ("Student", "Student2"):
            for part in ("shrink_maps", "threshold_maps", "binary_maps", "cbn"):
                parts.append(record[f"db_{network}_loss_{part}"])
        assert all(map(math.isfinite, parts))
        assert record["loss"] == pytest.approx(sum(parts), rel=1e-5)


def test_a_total_of_several_values_has_the_gradients_of_its_sum(tmp_path: Path) -> None:
    write_pages(tmp_path)
    write_teacher(tmp_path)
    run = build_run(reread(collaborative(tmp_path), tmp_path))
    trainer = Trainer(run, run.data("Train"), run.data("Eval"), Position(), Group())
    (planned, *_) = trainer._plan(0)
    samples = trainer.train_part.dataset.load_batch(planned, 0)
    batch = tensors_of(trainer._collate(planned, samples))
    assert batch["image"].shape == [2, 3, CROP, CROP]
    run.model.train()
    parameter = run.networks["Student"].head.binarize.conv1.weight
    gradients = []
    for make_scalar in (lambda total: total, paddle.sum):
        losses = run.loss(run.model(batch["image"], batch), batch)
        assert losses[TOTAL].shape == [2] and losses["dml_thrink_maps_0"].shape == [2]
        make_scalar(losses[TOTAL]).backward()
        gradients.append(parameter.grad.numpy())
        run.model.clear_gradients()
    assert np.array_equal(*gradients) and np.abs(gradients[0]).max() > 0
    assert run.networks["Teacher"].head.binarize.conv1.weight.grad is None


@pytest.mark.parametrize(
    ("network", "use_ema"), [(WITH_AUXILIARY, False), (OF_TWO_MAPS, True)], ids=["aux", "two_maps"]
)
def test_resumed_it_ends_in_the_same_bits(
    network: dict[str, Any], use_ema: bool, tmp_path: Path
) -> None:
    write_pages(tmp_path)

    def config(name: str, *overrides: str) -> Config:
        made = config_of({"": network}, tmp_path)
        made.sections["Global"] |= {"use_ema": use_ema, "save_model_dir": str(tmp_path / name)}
        return reread(made, tmp_path, *overrides)

    train(config("whole"))
    # No loss reaches the auxiliary heads, whose weights are 0: they have no moments.
    train(config("cut", "Global.epoch_num=1"))
    train(config("cut", f"Global.checkpoints={tmp_path / 'cut' / 'latest'}"))
    assert losses(tmp_path / "whole") == losses(tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")


def losses(folder: Path) -> list[tuple[int, float]]:
    return [(record["step"], record["loss"]) for record in steps(folder)]


def assert_same(first: Path, second: Path) -> None:
    """Hold the last checkpoints of two runs against each other, bit for bit."""
    for suffix in SUFFIXES:
        wanted, got = (dict(load_pickle(folder / f"latest{suffix}")) for folder in (first, second))
        if suffix == ".states":
            del wanted["config_sha256"], got["config_sha256"]  # they have folders of their own
        wanted, got = dict(flat(wanted)), dict(flat(got))
        assert wanted.keys() == got.keys()
        for name, value in wanted.items():
            assert np.array_equal(value, got[name]), name


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, below in value.items():
        yield from flat(below, f"{name}/{key}")


def start(config: Path, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "training.train", "-c", str(config)]
    if any(folder.glob("latest.pdparams*")):
        command += ["-o", f"Global.checkpoints={folder / 'latest'}"]
    with log.open("ab") as stream:
        return subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream)


def test_killed_and_resumed_it_ends_in_the_same_bits(tmp_path: Path) -> None:
    write_pages(tmp_path)
    files = {}
    for name in ("whole", "killed"):
        config = config_of({"": PLAIN}, tmp_path)
        config.sections["Global"] |= {"epoch_num": 4, "save_model_dir": str(tmp_path / name)}
        config.sections["Train"]["loader"]["num_workers"] = 1
        files[name] = written(config, tmp_path, f"{name}.yml")
    log = tmp_path / "log.txt"
    whole = start(files["whole"], tmp_path / "whole", log)
    killed = start(files["killed"], tmp_path / "killed", log)
    deadline = time.monotonic() + START_LIMIT_S
    while len(steps(tmp_path / "killed")) < 5 and time.monotonic() < deadline:
        assert killed.poll() is None, log.read_text()
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    again = start(files["killed"], tmp_path / "killed", log)
    assert whole.wait() == 0 and again.wait() == 0, log.read_text()
    assert "resumed from" in log.read_text(errors="replace")
    assert losses(tmp_path / "whole") == losses(tmp_path / "killed")
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_what_it_learned_is_evaluated_and_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_pages(tmp_path)
    config = config_of({"": PLAIN}, tmp_path)
    config.sections["Global"] |= {
        "epoch_num": 40,
        "eval_batch_step": [60, 15],
        "save_res_path": str(tmp_path / "found.txt"),
    }
    # Whole pages: the bars are learned by heart.
    config.sections["Train"]["dataset"]["transforms"][2:4] = [
        {"EastRandomCropData": {"size": [128, 128], "max_tries": 1, "min_crop_side_ratio": 1.0}}
    ]
    figures = train(reread(config, tmp_path))
    assert figures["best"]["hmean"] > 0.9
    best = f"Global.checkpoints={tmp_path / 'out' / 'best_accuracy'}"
    result = evaluate_checkpoint(reread(config, tmp_path, best), tmp_path / "page.html")
    assert result["networks"]["network"]["hmean"] == figures["best"]["hmean"]
    told = (tmp_path / "page.html").read_text("utf-8")
    assert f"{result['networks']['network']['recall'] * 18:.0f} of 18 texts found" in told
    assert (tmp_path / "out" / "worst.html").is_file()
    assert result["images"] == 6 and result["dropped"] == {}
    (data / "broken.png").write_text("not an image")
    images = [str(data / name) for name in ("0.png", "broken.png", "1.png")]
    assert predict(["-c", str(tmp_path / "config.yml"), "-o", best, *images]) == 1
    head, first, second, third = capsys.readouterr().out.splitlines()[-4:]
    assert head.split() == ["file", "boxes", "mean", "score"]
    assert first.split()[1] == third.split()[1] == "3" and "error:" in second
    found = dict(row.split("\t") for row in (tmp_path / "found.txt").read_text().splitlines())
    assert list(found) == [images[0], images[2]]
    boxes = json.loads(found[images[0]])
    assert [text["transcription"] for text in boxes] == [""] * 3
    centres = sorted(np.mean(text["points"], axis=0).tolist() for text in boxes)
    wanted = sorted(np.mean(text["points"], axis=0).tolist() for text in page(0)[1])
    assert np.abs(np.array(centres) - wanted).max() < 4


@pytest.mark.slow
def test_two_processes_end_alike(tmp_path: Path) -> None:
    write_pages(tmp_path)
    file = written(config_of({"": PLAIN}, tmp_path), tmp_path)
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    command += ["--log_dir", str(tmp_path / "log"), "training/train.py", "-c", str(file)]
    environment = {**os.environ, "PADDLE_DISTRI_BACKEND": "gloo"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    # Six pages in batches of four: the last batch is filled up.
    assert [record["step"] for record in steps(tmp_path / "out")] == [1, 2, 3, 4]
