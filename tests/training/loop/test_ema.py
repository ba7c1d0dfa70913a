"""Averaged weights: PaddleOCR's own numbers, and a run that evaluates, saves and resumes them."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from runtime.errors import CheckpointError
from training.checkpoint.parameters import arrays_of, read_parameters
from training.checkpoint.safe_pickle import load_pickle
from training.checkpoint.saved import read_averages
from training.config import load_config
from training.loop.ema import ModelEMA
from training.loop.logs import read_metrics
from training.loop.parallel import Group
from training.loop.position import Position
from training.loop.resume import resume
from training.loop.trainer import Trainer
from training.plan import read_plan
from training.run import build_run
from training.train import train

GOLDEN = Path(__file__).parents[2] / "golden" / "ema_v6"
ARRAYS = dict(np.load(GOLDEN / "arrays.npz"))
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text())
STEPS, DECAY = EXPECTED["args"]["steps"], EXPECTED["args"]["decay"]
TYPES = ("threshold", "exponential", "normal")


def network() -> nn.Sequential:
    """The network of PaddleOCR's numbers; its last weight does not learn."""
    model = nn.Sequential(
        nn.Conv2D(2, 3, 3, bias_attr=False), nn.BatchNorm2D(3), nn.Conv2D(3, 2, 1)
    )
    model[2].weight.stop_gradient = True
    return model


def put(model: nn.Layer, step: int) -> None:
    for name, tensor in model.state_dict().items():
        tensor.set_value(ARRAYS[f"step{step}.{name}"])


@pytest.mark.parametrize("decay_type", TYPES)
@pytest.mark.parametrize("filters", [False, True])
def test_the_averages_are_paddleocrs(decay_type: Any, filters: bool) -> None:
    kind = f"{decay_type}.{'filter' if filters else 'all'}"
    model = network()
    for name in EXPECTED[kind]["black_list"]:  # kept as they were in the beginning
        model.state_dict()[name].set_value(ARRAYS[f"{kind}.after1.{name}"])
    ema = ModelEMA(model, DECAY, 2000, decay_type, filters)
    assert sorted(ema.kept) == EXPECTED[kind]["black_list"]
    for step in range(STEPS):
        put(model, step)
        ema.update()
        key = f"{kind}.after{step + 1}"
        if f"{key}.0.weight" in ARRAYS:
            for name, value in ema.averages().items():
                np.testing.assert_array_equal(value.numpy(), ARRAYS[f"{key}.{name}"], name)


@pytest.mark.parametrize("decay_type", TYPES)
def test_the_exact_correction_gives_the_mean(decay_type: Any) -> None:
    model = network()
    exact = ModelEMA(model, 0.9, 5, decay_type, exact_correction=True)
    plain = ModelEMA(model, 0.9, 5, decay_type)
    put(model, 0)
    for _ in range(6):
        exact.update()
        plain.update()
    for name, value in exact.averages().items():
        np.testing.assert_allclose(value.numpy(), ARRAYS[f"step0.{name}"], rtol=1e-6)
    ratio = plain.averages()["2.weight"].numpy() / ARRAYS["step0.2.weight"]
    decays = {
        "threshold": [(1 + step) / (10 + step) for step in range(6)],
        "exponential": [0.9 * (1 - math.exp(-(step + 1) / 5)) for step in range(6)],
        "normal": [0.9] * 6,
    }[decay_type]
    taken = 1.0 if decay_type == "exponential" else 1 - decays[-1] ** 6
    np.testing.assert_allclose(ratio, (1 - math.prod(decays)) / taken, rtol=1e-5)


def test_paddleocrs_correction_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for decay_type in TYPES:
        ModelEMA(network(), ema_decay_type=decay_type, exact_correction=True)  # type: ignore[arg-type]
    ModelEMA(network(), ema_decay_type="normal")
    assert not caplog.messages
    ModelEMA(network())
    (message,) = caplog.messages
    assert "0.4 % after 6 steps" in message and "ema_exact_correction" in message


def test_the_model_has_its_averages_for_a_while() -> None:
    model = network()
    ema = ModelEMA(model, 0.5, ema_decay_type="normal")
    with ema.applied():
        pass  # before the first step: its own weights
    before = arrays_of(model)
    for step in range(3):
        put(model, step)
        ema.update()
    with pytest.raises(ZeroDivisionError), ema.applied():
        after = arrays_of(model)
        raise ZeroDivisionError
    assert not np.array_equal(after["0.weight"], before["0.weight"])
    expected = sum(ARRAYS[f"step{step}.0.weight"] * 2.0**step for step in range(3)) / 7
    np.testing.assert_allclose(after["0.weight"], expected, rtol=1e-5, atol=1e-6)
    for name, value in arrays_of(model).items():
        np.testing.assert_array_equal(value, ARRAYS[f"step2.{name}"])


def test_an_lstm_of_two_names_and_its_statistics_are_averaged_whole() -> None:
    model = nn.LayerList([nn.LSTM(2, 2), nn.BatchNorm(2)])
    for parameter in model.parameters():
        parameter.stop_gradient = True
    ema = ModelEMA(model, ema_filter_no_grad=True)
    averaged = set(model.state_dict()) - ema.kept
    assert averaged == {"1._mean", "1._variance"} and len(ema.kept) > 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ema_decay": 1.0}, "expected 0 to below 1"),
        ({"ema_gamma": 0}, "at least 1"),
        ({"ema_decay_type": "linear"}, "'threshold' or 'exponential' or 'normal'"),
    ],
)
def test_settings_that_cannot_be(
    change: dict[str, Any], message: str, write_config: Callable[..., Path]
) -> None:
    changes = {f"Global.{key}": value for key, value in change.items()}
    with pytest.raises(Exception, match=message):
        read_plan(load_config(write_config("run", changes)))


# --- runs --------------------------------------------------------------------------------------

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
                found |= {f"{suffix}/{key}/{below}": one for below, one in value.items()}
            else:
                found[f"{suffix}/{key}"] = value
    del found[".states/config_sha256"]
    return found


def build_trainer(config: Path) -> Trainer:
    run = build_run(load_config(config))
    return Trainer(run, run.data("Train"), run.data("Eval"), Position(), Group())


class Stopped(Exception):
    """Raised in place of a kill."""


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
    steps = [one["step"] for one in read_metrics(whole_run / "metrics.jsonl")]
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
    whole_run: Path,
    write_config: Callable[..., Path],
    single_network: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = write_config("cut", {**single_network, **RUN})
    log_step = Trainer._log_step

    def stop(trainer: Trainer, *arguments: Any) -> None:
        log_step(trainer, *arguments)
        if trainer.position.global_step == 9:
            raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Trainer, "_log_step", stop)
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

    def evaluate(run: Any, part: Any, loader: Any) -> Any:
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
