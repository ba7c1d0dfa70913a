"""A whole distillation model against what PaddleOCR 2.8 computed from the same weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from training import build_loss, build_metric, build_model, build_post_process
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import (
    read_parameters,
)
from training.networks import DistillationModel


@pytest.fixture(scope="module")
def model(golden: Any, golden_weights: Path) -> DistillationModel:
    built = build_model(golden.config["Architecture"], 40)
    report = load_into(built, read_parameters(golden_weights), str(golden_weights))
    assert not report.missing and not report.unused
    assert isinstance(built, DistillationModel)
    return built


@pytest.fixture(scope="module")
def trained_step(golden: Any, model: DistillationModel) -> tuple[Any, Any, dict[str, float]]:
    """Outputs, losses and gradient norms of one forward and backward pass."""
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    model.train()
    batch = {key: paddle.to_tensor(golden.arrays[key]) for key in ("image", "label", "length")}
    outputs = model(batch["image"], batch)
    losses = build_loss(golden.config["Loss"])(outputs, batch)
    losses["loss"].backward()
    norms = {
        name: float(parameter.grad.norm())
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    model.clear_gradients()
    model.set_state_dict(state)  # training moved the batch statistics
    return outputs, {name: float(value) for name, value in losses.items()}, norms


def test_evaluation_outputs_decoded_text_and_metrics(golden: Any, model: DistillationModel) -> None:
    model.eval()
    with paddle.no_grad():
        outputs = model(paddle.to_tensor(golden.arrays["image"]))
    for network, wanted in golden.outputs("eval").items():
        got = outputs[network]["head_out"].numpy()
        assert list(outputs[network]) == ["head_out"]
        assert np.allclose(got, wanted["head_out"], rtol=1e-4, atol=1e-5)
    decoded = build_post_process(golden.config["PostProcess"], golden.config["Global"])(
        outputs, golden.arrays["label"]
    )
    metric = build_metric(golden.config["Metric"])
    metric(decoded)
    assert metric.get_metric() == pytest.approx(golden.expected["metric"], rel=1e-9)


# Batch statistics of 4 images amplify rounding: on one machine PaddleOCR itself, with another
# paddle or number of threads, moves `neck_out` by 3e-3 of its largest value. What that does to a
# sum is less, to a single gradient more; the tolerances below follow from it.
def test_training_outputs(golden: Any, trained_step: tuple[Any, Any, Any]) -> None:
    outputs, _, _ = trained_step
    for network, stages in golden.outputs("train").items():
        assert set(outputs[network]) == set(stages)
        for stage, wanted in stages.items():
            error = np.abs(outputs[network][stage].numpy() - wanted).max() / np.abs(wanted).max()
            assert error < (1e-4 if stage == "backbone_out" else 1e-2), (network, stage)


def test_losses_of_the_whole_model(golden: Any, trained_step: tuple[Any, Any, Any]) -> None:
    _, losses, _ = trained_step
    assert losses == pytest.approx(golden.expected["loss"], rel=1e-4)


def test_gradient_norms(golden: Any, trained_step: tuple[Any, Any, Any]) -> None:
    _, _, norms = trained_step
    wanted = golden.expected["grad_norm"]
    assert set(norms) == set(wanted)
    got, reference = (np.array([one[name] for name in wanted]) for one in (norms, wanted))
    assert np.linalg.norm(got) == pytest.approx(np.linalg.norm(reference), rel=1e-3)
    assert np.linalg.norm(got - reference) < 5e-3 * np.linalg.norm(reference)
    assert np.median(np.abs(got / reference - 1)) < 5e-3
    assert np.abs(got / reference - 1).max() < 5e-2


def test_building_changes_no_section(golden: Any) -> None:
    before = copy.deepcopy(golden.config)
    build_model(golden.config["Architecture"], 40)
    build_loss(golden.config["Loss"])
    build_post_process(golden.config["PostProcess"], golden.config["Global"])
    build_metric(golden.config["Metric"])
    assert golden.config == before
