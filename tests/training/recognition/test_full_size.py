"""Networks of the shipped sizes: outputs, losses and gradients as PaddleOCR computes them."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from tests.families import (
    FULL_SIZE,
    Case,
    flattened,
    read_full_size,
    samples_of,
    set_full_size_weights,
)
from training.backbones.reparameterise import reparameterise

FOLDERS = sorted(path for path in FULL_SIZE.iterdir() if "_rec" in path.name)
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda path: path.name)
def case(request: Any) -> Case:
    return read_full_size(request.param)


@pytest.fixture(scope="module")
def model(case: Case) -> Iterator[nn.Layer]:
    model = case.model()
    set_full_size_weights(model, case)
    yield model
    gc.collect()


def check(outputs: Any, case: Case, kind: str, tolerance: float) -> None:
    """Hold every sampled output of a kind against PaddleOCR's."""
    got = dict(flattened(outputs, kind))
    wanted: Mapping[str, Any] = {
        name: sample
        for name, sample in case.expected["outputs"].items()
        if name == kind or name.startswith(f"{kind}/")
    }
    assert wanted
    for name, sample in wanted.items():
        assert list(got[name].shape) == sample["shape"], name
        difference = np.abs(samples_of(got[name], sample) - sample["values"]).max()
        assert difference <= tolerance * max(1.0, sample["largest"]), (name, difference)


def test_outputs_losses_gradients_and_merged_layers(case: Case, model: nn.Layer) -> None:
    model.eval()
    with paddle.no_grad():
        check(model(paddle.to_tensor(case.batch["image"])), case, "eval", TOLERANCE)
    # Training moves the statistics, which the merged form is made of.
    statistics = {
        name: tensor.numpy()
        for name, tensor in model.state_dict().items()
        if name.endswith(("._mean", "._variance"))
    }
    model.train()
    batch = case.tensors()
    outputs = model(batch["image"], batch)
    check(outputs, case, "train", 2e-5)
    losses = case.loss()(outputs, batch)
    assert {name: float(value) for name, value in losses.items()} == pytest.approx(
        case.losses, rel=1e-5
    )
    losses["loss"].backward()
    largest = max(case.gradient_norms.values())
    norms = {
        name: float(parameter.grad.norm())
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    for name, wanted in case.gradient_norms.items():
        assert norms[name] == pytest.approx(wanted, rel=1e-2, abs=1e-5 * largest), name
    model.clear_gradients()
    del outputs, losses
    for name, value in statistics.items():
        model.state_dict()[name].set_value(paddle.to_tensor(value))
    model.eval()
    if reparameterise(model):
        with paddle.no_grad():
            check(model(paddle.to_tensor(case.batch["image"])), case, "eval", 1e-4)
