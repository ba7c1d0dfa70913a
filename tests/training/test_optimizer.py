"""Optimizers and learning rates, against the formulas in a few lines."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import ConfigError
from training.optimizer import read_optimizer
from training.registry import Problems

EPOCHS, STEPS = 4, 10


def build_optimizer(config: Any, parameters: Any, epochs: int, step_each_epoch: int) -> Any:
    problems = Problems()
    plan = read_optimizer(config, problems)
    problems.raise_any()
    assert plan is not None
    return plan.build(parameters, epochs, step_each_epoch)


def section(**changes: Any) -> dict[str, Any]:
    return {"name": "Adam", "lr": {"learning_rate": 0.5}, **changes}


def rates(**schedule: Any) -> list[float]:
    """Learning rate at every step of the run."""
    config = section(lr=schedule)
    before = copy.deepcopy(config)
    weight = paddle.create_parameter([1], "float32")
    optimizer, steps = build_optimizer(config, [weight], EPOCHS, STEPS)
    assert config == before
    found = []
    for _ in range(EPOCHS * STEPS):
        found.append(float(optimizer.get_lr()))
        steps.step()
    return found


def test_constant() -> None:
    assert rates(learning_rate=0.5) == [0.5] * 40
    assert rates(name="Const", learning_rate=1) == [1.0] * 40


def test_warm_up_is_a_line_from_zero() -> None:
    found = rates(name="Const", learning_rate=0.5, warmup_epoch=2)
    assert found[:21] == pytest.approx([0.5 * step / 20 for step in range(21)])
    assert found[20:] == [0.5] * 20


def test_a_share_of_an_epoch_can_warm_up() -> None:
    assert rates(learning_rate=0.5, warmup_epoch=0.2)[:3] == pytest.approx([0, 0.25, 0.5])
    assert rates(learning_rate=0.5, warmup_epoch=0.01)[0] == 0.5


def test_piecewise() -> None:
    found = rates(name="Piecewise", values=[0.3, 0.2, 0.1], decay_epochs=[1, 3])
    assert found == pytest.approx([0.3] * 10 + [0.2] * 20 + [0.1] * 10)


def test_piecewise_after_warm_up_starts_to_count_there() -> None:
    # As PaddleOCR: the schedule behind a warm-up begins when that ends.
    found = rates(name="Piecewise", values=[0.3, 0.1], decay_epochs=[2], warmup_epoch=1)
    assert found[:10] == pytest.approx([0.3 * step / 10 for step in range(10)])
    assert found[10:30] == pytest.approx([0.3] * 20)
    assert found[30:] == pytest.approx([0.1] * 10)


def test_cosine() -> None:
    found = rates(name="Cosine", learning_rate=0.4)
    assert found == pytest.approx(
        [0.2 * (1 + math.cos(math.pi * step / 40)) for step in range(40)], abs=1e-9
    )
    warmed = rates(name="Cosine", learning_rate=0.4, warmup_epoch=1)
    assert warmed[5] == pytest.approx(0.2)
    assert warmed[10] == pytest.approx(0.4)
    assert warmed[30] == pytest.approx(0.2)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_linear(power: float) -> None:
    found = rates(name="Linear", learning_rate=0.4, end_lr=0.1, power=power)
    assert found == pytest.approx(
        [0.3 * (1 - step / 40) ** power + 0.1 for step in range(40)], abs=1e-9
    )


def test_one_cycle_peaks_once_and_ends_low() -> None:
    found = rates(name="OneCycle", max_lr=0.4)
    assert max(found) == pytest.approx(0.4)
    assert found[0] == pytest.approx(0.4 / 25)
    assert found[-1] < 0.4 / 1000
    peak = found.index(max(found))
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (section(beta1=0.8, beta2=0.99, epsilon=1e-6), paddle.optimizer.Adam),
        (section(name="AdamW"), paddle.optimizer.AdamW),
        (section(name="Momentum", momentum=0.8), paddle.optimizer.Momentum),
    ],
)
def test_optimizers_by_name(config: dict[str, Any], kind: type) -> None:
    optimizer, _ = build_optimizer(config, [paddle.create_parameter([1], "float32")], 1, 1)
    assert type(optimizer) is kind


def stepped(config: dict[str, Any], value: float, gradient: float, steps: int = 1) -> float:
    """A weight after some steps with one gradient."""
    attribute = paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(value))
    weight = paddle.create_parameter([1], "float32", attr=attribute)
    optimizer, _ = build_optimizer(config, [weight], 1, 1)
    for _ in range(steps):
        (weight * gradient).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
    return float(weight.item())


MOMENTUM = section(name="Momentum", lr={"learning_rate": 0.1})


def test_momentum_and_adam_step_as_their_papers_say() -> None:
    assert stepped(MOMENTUM, 1, 2) == pytest.approx(1 - 0.1 * 2)
    assert stepped(MOMENTUM, 1, 2, steps=2) == pytest.approx(1 - 0.1 * 2 - 0.1 * (0.9 * 2 + 2))
    adam = section(lr={"learning_rate": 0.1})
    assert stepped(adam, 1, 2) == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "gradient"),
    [
        ({"regularizer": {"name": "L2", "factor": 0.5}}, 2 + 0.5 * 3),
        ({"regularizer": {"name": "L2Decay", "factor": 0.5}}, 2 + 0.5 * 3),
        ({"regularizer": {"name": "L1", "factor": 0.5}}, 2 + 0.5),
        ({"regularizer": {"name": "L2"}}, 2),
        ({"weight_decay": 0.5}, 2 + 0.5 * 3),
        ({"regularizer": None, "weight_decay": 0.5}, 2 + 0.5 * 3),
        ({}, 2),
    ],
)
def test_regularizer(changes: dict[str, Any], gradient: float) -> None:
    assert stepped({**MOMENTUM, **changes}, 3, 2) == pytest.approx(3 - 0.1 * gradient)


def test_adamw_s_decay_stands_beside_the_gradient() -> None:
    adamw = section(name="AdamW", lr={"learning_rate": 0.1})
    assert stepped({**adamw, "weight_decay": 0.5}, 3, 2) == pytest.approx(
        3 * (1 - 0.1 * 0.5) - 0.1, abs=1e-5
    )
    assert stepped(adamw, 3, 2) == pytest.approx(3 * (1 - 0.1 * 0.01) - 0.1, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "decayed"),
    [
        ({}, {"norm", "weight", "bias"}),
        ({"no_weight_decay_name": "norm pos_embed"}, {"weight", "bias"}),
        ({"one_dim_param_no_weight_decay": True}, {"norm", "weight"}),
    ],
)
def test_adamw_leaves_parameters_out_of_the_decay(
    options: dict[str, Any], decayed: set[str]
) -> None:
    shapes = {"norm": [2, 2], "weight": [2, 2], "bias": [2]}
    weights = {
        name: paddle.create_parameter(
            shape, "float32", default_initializer=paddle.nn.initializer.Constant(3.0)
        )
        for name, shape in shapes.items()
    }
    problems = Problems()
    plan = read_optimizer(
        {"name": "AdamW", "lr": {"learning_rate": 0.1}, "weight_decay": 0.5, **options}, problems
    )
    problems.raise_any()
    assert plan is not None
    names = {weight.name: f"blocks.{name}" for name, weight in weights.items()}
    optimizer, _ = plan.build(list(weights.values()), 1, 1, names)
    paddle.add_n([weight.sum() for weight in weights.values()]).backward()
    optimizer.step()
    moved = {name for name, weight in weights.items() if float(weight.max()) < 3.0 - 0.1 - 0.1}
    assert moved == decayed


def clipped(config: dict[str, Any]) -> tuple[float, float]:
    """Norms by which two weights with gradients of norm 3 and 4 moved at rate 1."""
    weights = [paddle.create_parameter([4], "float32") for _ in range(2)]
    before = [weight.numpy().copy() for weight in weights]
    optimizer, _ = build_optimizer(
        {"name": "Momentum", "lr": {"learning_rate": 1.0}, **config}, weights, 1, 1
    )
    (weights[0].sum() * 1.5 + weights[1].sum() * 2.0).backward()
    optimizer.step()
    moved = [np.linalg.norm(b - w.numpy()) for b, w in zip(before, weights, strict=True)]
    return float(moved[0]), float(moved[1])


def test_clipping() -> None:
    assert clipped({}) == pytest.approx((3, 4), rel=1e-5)
    assert clipped({"clip_norm": 3.5}) == pytest.approx((3, 3.5), rel=1e-5)
    assert clipped({"clip_norm_global": 2.5}) == pytest.approx((1.5, 2), rel=1e-5)
    assert clipped({"clip_norm": None}) == pytest.approx((3, 4), rel=1e-5)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (None, "Optimizer: expected a mapping with a name, got None"),
        (section(name="Adma"), "Optimizer.name: unknown optimizer 'Adma'"),
        (section(name="Adma"), "did you mean Adam"),
        (section(epslon=0.1), "did you mean epsilon"),
        (section(beta1="x"), "Optimizer.beta1: expected a number, got 'x'"),
        (section(learning_rate=0.1), "Optimizer.learning_rate: unknown option of Adam"),
        (section(lr=0.1), "Optimizer.lr: expected a learning rate section, got 0.1"),
        (section(lr={}), "Optimizer.lr: Const needs the option learning_rate"),
        (section(lr={"name": "Cosin"}), "did you mean Cosine"),
        (section(lr={"learning_rate": 1, "epochs": 2}), "unknown option of Const 'epochs'"),
        (section(lr={"learning_rate": "1e-4"}), "write 1.0e-4 for 1e-4"),
        (
            section(lr={"name": "Piecewise", "values": [0.1], "decay_epochs": [7]}),
            "Optimizer.lr.values: expected 2 values for 1 decay_epochs, got 1",
        ),
        (section(regularizer="L2"), "Optimizer.regularizer: expected a mapping with a name"),
        (section(regularizer={"name": "L3"}), "Optimizer.regularizer.name: unknown regularizer"),
        (section(regularizer={"name": "L2", "fctor": 1}), "did you mean factor"),
        (
            section(regularizer={"name": "L2", "factor": "a"}),
            "Optimizer.regularizer.factor: expected a number, got 'a'",
        ),
        (section(clip_norm="5"), "Optimizer.clip_norm: expected a number, got '5'"),
        (section(clip_norm_global=True), "Optimizer.clip_norm_global: expected a number"),
        (section(weight_decay=[1]), "Optimizer.weight_decay: expected a number, got [1]"),
    ],
)
def test_mistakes_are_named(config: Any, problem: str) -> None:
    found_all = Problems()
    assert read_optimizer(config, found_all) is None
    (found,) = found_all
    assert problem in str(found)


def test_building_refuses_them() -> None:
    with pytest.raises(ConfigError, match=r"Optimizer\.lr\.values"):
        build_optimizer(
            section(lr={"name": "Piecewise", "values": [1.0, 2.0], "decay_epochs": []}), [], 1, 1
        )
