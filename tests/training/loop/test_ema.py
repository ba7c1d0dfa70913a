"""Averaged weights, held against PaddleOCR's own numbers."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paddle import nn

from training.checkpoint.parameters import arrays_of
from training.config import load_config
from training.loop.ema import ModelEMA
from training.plan import read_plan

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
