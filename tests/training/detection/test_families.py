"""Small networks of every family: outputs, losses, gradients, steps as PaddleOCR computes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from tests.families import Case, load_weights
from tests.family_checks import (
    assert_merged,
    assert_outputs,
    assert_steps,
    assert_trains,
    case_of,
    evaluated,
    merged_model,
    small_cases,
)
from training.losses import figures_of


@pytest.fixture(**small_cases("det"))
def case(request: Any) -> Case:
    return case_of(request.param)


@pytest.fixture(scope="module")
def model(case: Case) -> nn.Layer:
    model = case.model()
    report = load_weights(model, case.folder)
    assert not report.unused and not report.missing
    return model


def test_evaluation(case: Case, model: nn.Layer) -> None:
    assert_outputs(evaluated(model, case), case.outputs["eval"], 1e-5)


def test_training(case: Case, model: nn.Layer) -> None:
    assert_trains(case, model)


def test_each_loss_alone(case: Case, model: nn.Layer) -> None:
    variants = case.expected.get("loss_each", [])
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    model.train()
    batch = case.tensors()
    with paddle.no_grad():
        outputs = model(batch["image"], batch)
    for variant in variants:
        section = variant["config"]
        if "name" not in section:
            section = {"name": "CombinedLoss", "loss_config_list": [section]}
        got = figures_of(case.loss(section)(outputs, batch))
        assert got == pytest.approx(variant["loss"], rel=1e-6), section
    model.set_state_dict(state)


def test_two_steps_of_the_optimizer(case: Case, model: nn.Layer) -> None:
    assert_steps(case, model)


def test_merged_layers_mark_alike(case: Case) -> None:
    merged, num_merged = merged_model(case)
    assert num_merged >= 2
    assert_merged(case, merged)
    state = merged.state_dict()
    for network, norms in case.expected.get("fused_norm", {}).items():
        assert set(state) == set(case.expected["fused_keys"][network])
        for name, wanted in norms.items():
            norm = float(np.linalg.norm(state[name].numpy().astype(np.float64)))
            assert norm == pytest.approx(wanted, rel=1e-6), name
