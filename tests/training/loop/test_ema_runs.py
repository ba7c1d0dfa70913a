"""Runs that evaluate averaged weights, save them and resume."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import CheckpointError
from tests.training.stopping import Stopped, stopped_at
from training.checkpoint.parameters import arrays_of, read_parameters
from training.checkpoint.safe_pickle import load_pickle
from training.checkpoint.saved import read_averages
from training.config import load_config
from training.loop.logs import read_metrics
from training.loop.parallel import Group
from training.loop.position import Position
from training.loop.resume import resume
from training.loop.trainer import Trainer
from training.run import build_run
from training.train import train

SUFFIXES = (".pdparams", ".pdopt", ".states", ".pdema")
RUN = {
    "Global.use_ema": True,
    "Global.ema_decay": 0.9,
    "Global.eval_batch_step": [0, 2],
    "Train.sampler": {
        "name": "MultiScaleSampler",
        "scales": [[96, 32], [96, 48]],
        "first_bs": 4,
        "fix_bs": False,
    },
    "Train.dataset.transforms": [
        {"DecodeImage": None},
        {"RecAug": None},
        {"CTCLabelEncode": None},
        {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
    ],
}
"""A run of two epochs of 6 steps, batches of two heights, averaged weights."""


def content(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for suffix in SUFFIXES:
        for key, value in dict(load_pickle(folder / f"{name}{suffix}")).items():
            if isinstance(value, dict):
                found |= {f"{suffix}/{key}/{below}": entry for below, entry in value.items()}
            else:
                found[f"{suffix}/{key}"] = value
    del found[".states/config_sha256"]
    return found


def build_trainer(config: Path) -> Trainer:
    run = build_run(load_config(config))
    return Trainer(run, run.data("Train"), run.data("Eval"), Position(), Group())


@pytest.fixture(scope="module")
def whole() -> dict[str, Path]:
    return {}


@pytest.fixture
def whole_run(
    whole: dict[str, Path], write_config: Callable[..., Path], single_network: dict[str, Any]
) -> Path:
    """Folder of a run that was never interrupted."""
    if not whole:
        config = write_config("whole", {**single_network, **RUN})
        train(load_config(config))
        whole["folder"] = config.with_suffix("")
    return whole["folder"]


def test_averages_are_saved_beside_the_weights(whole_run: Path) -> None:
    steps = [record["step"] for record in read_metrics(whole_run / "metrics.jsonl")]
    assert max(steps) == 12
    parameters, saved = read_parameters(whole_run / "latest"), read_averages(whole_run / "latest")
    assert saved is not None and saved["step"] == 12
    assert set(saved["train_state"]) == set(saved["ema_state"]) == set(parameters)
    decay = min(0.9, 12 / 21)
    for name, value in parameters.items():
        expected = saved["ema_state"][name] / (1 - decay**12)
        np.testing.assert_allclose(value, expected, rtol=1e-6, err_msg=name)
    name = "head.fc2.weight"
    assert not np.array_equal(parameters[name], saved["train_state"][name])


def test_resuming_gives_the_same_bits(
    whole_run: Path, write_config: Callable[..., Path], single_network: dict[str, Any]
) -> None:
    config = write_config("cut", {**single_network, **RUN})
    with stopped_at(9):
        train(load_config(config))
    folder = config.with_suffix("")
    assert content(folder, "latest")[".states/global_step"] == 8
    train(load_config(config, [f"Global.checkpoints={folder / 'latest'}"]))
    for name in ("latest", "best_accuracy", "iter_epoch_2"):
        first, second = content(folder, name), content(whole_run, name)
        assert sorted(first) == sorted(second)
        assert [key for key in first if not np.array_equal(first[key], second[key])] == []


def test_what_is_evaluated_are_the_averages(
    whole_run: Path,
    write_config: Callable[..., Path],
    single_network: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = build_trainer(write_config("run", {**single_network, **RUN}))
    resume(trainer, str(whole_run / "latest"))
    seen = []

    def evaluate(run: Any, part: Any, loader: Any, *takers: Any) -> Any:
        seen.append(arrays_of(run.model))
        raise Stopped

    monkeypatch.setattr("training.loop.trainer.evaluate", evaluate)
    with pytest.raises(Stopped):
        trainer._evaluate()
    averaged, saved = read_parameters(whole_run / "latest"), read_averages(whole_run / "latest")
    now = arrays_of(trainer.run.model)
    assert saved is not None
    for name, value in averaged.items():
        np.testing.assert_array_equal(seen[0][name], value)
        np.testing.assert_array_equal(now[name], saved["train_state"][name])


def copied(folder: Path, to: Path, suffixes: tuple[str, ...] = SUFFIXES) -> str:
    for suffix in suffixes:
        shutil.copy(folder / f"latest{suffix}", to / f"old{suffix}")
    return str(to / "old")


def test_paddleocrs_own_file_is_read(
    whole_run: Path,
    write_config: Callable[..., Path],
    single_network: dict[str, Any],
    tmp_path: Path,
) -> None:
    checkpoint = copied(whole_run, tmp_path)
    saved = read_averages(whole_run / "latest")
    assert saved is not None
    tensors = {
        key: {name: paddle.to_tensor(np.array(value)) for name, value in saved[key].items()}
        for key in ("train_state", "ema_state")
    }
    paddle.save({**tensors, "step": saved["step"]}, f"{checkpoint}.pdema")
    config = write_config("run", {**single_network, **RUN})
    theirs, ours = build_trainer(config), build_trainer(config)
    resume(theirs, checkpoint)
    resume(ours, str(whole_run / "latest"))
    assert theirs.ema is not None and ours.ema is not None
    first, second = theirs.ema.as_state(), ours.ema.as_state()
    assert first["step"] == 12 and first["product_of_decays"] == second["product_of_decays"]
    for name, value in second["ema_state"].items():
        np.testing.assert_array_equal(first["ema_state"][name], value)


def test_averages_that_are_missing_or_not_wanted(
    whole_run: Path,
    write_config: Callable[..., Path],
    single_network: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    checkpoint = copied(whole_run, tmp_path, SUFFIXES[:3])
    trainer = build_trainer(write_config("run", {**single_network, **RUN}))
    resume(trainer, checkpoint)
    assert trainer.ema is not None and trainer.ema.step == 0
    assert any("the averages begin anew" in message for message in caplog.messages)
    plain = build_trainer(write_config("run", {**single_network, **RUN, "Global.use_ema": False}))
    resume(plain, str(whole_run / "latest"))
    saved, now = read_averages(whole_run / "latest"), arrays_of(plain.run.model)
    assert saved is not None and any("use_ema is false" in message for message in caplog.messages)
    for name, value in saved["train_state"].items():
        np.testing.assert_array_equal(now[name], value)
    plain.folder = whole_run.parent / "plain"
    shutil.copytree(whole_run, plain.folder)
    plain._save("latest")
    assert read_averages(plain.folder / "latest") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": "x"}, "holds no averages"),
        ({"ema_state": {}}, "does not fit this network: expected backbone"),
        ({"train_state": None}, "lacks train_state"),
    ],
)
def test_averages_of_another_network_are_refused(
    change: dict[str, Any],
    message: str,
    whole_run: Path,
    write_config: Callable[..., Path],
    single_network: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = build_trainer(write_config("run", {**single_network, **RUN}))
    saved = read_averages(whole_run / "latest")
    assert saved is not None
    monkeypatch.setattr("training.loop.resume.read_averages", lambda prefix: {**saved, **change})
    with pytest.raises(CheckpointError, match=message):
        resume(trainer, str(whole_run / "latest"))
