"""Weights and images as functions of names and shapes, so that what PaddleOCR's network computes
can stand in a test without a file of weights."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import paddle
import pytest
from numpy.typing import NDArray

from training.backbones.reparameterise import reparameterise


@dataclass(frozen=True)
class Numbers:
    """What PaddleOCR's network computes from these weights and images.

    Args:
        evaluated, trained: some values of the output, see `digest`.
        statistics: L2 norm by name after a pass in training.
        gradients: L2 norm by name, of the sum of the squares of the output in training.
        merged: L2 norm by name after re-parameterisation.
        num_merged: names that are left then.
    """

    evaluated: Sequence[float]
    trained: Sequence[float]
    statistics: Mapping[str, float]
    gradients: Mapping[str, float]
    merged: Mapping[str, float]
    num_merged: int


def value(name: str, shape: Sequence[int]) -> NDArray[np.float32]:
    """Draw a parameter or statistic by its structured name."""
    draws = np.random.RandomState(zlib.crc32(name.encode()))
    last = name.rpartition(".")[2]
    if last == "_variance" or (last == "weight" and len(shape) == 1):
        drawn = draws.uniform(0.5, 1.5, shape)
    elif len(shape) == 1:
        drawn = draws.normal(0, 0.1, shape)
    else:
        drawn = draws.normal(0, 0.7 / np.sqrt(np.prod(shape[1:])), shape)
    return drawn.astype(np.float32)


def fill(network: paddle.nn.Layer) -> None:
    """Give every parameter and statistic its value."""
    for name, tensor in network.state_dict().items():
        tensor.set_value(value(name, tensor.shape))


def images() -> paddle.Tensor:
    """Return two images float32 [2, 3, 48, 64]."""
    drawn = np.random.RandomState(5).uniform(-1, 1, (2, 3, 12, 16))
    return paddle.to_tensor(drawn.repeat(4, 2).repeat(4, 3).astype(np.float32))


def digest(tensor: paddle.Tensor, count: int = 6) -> list[float]:
    """Return some values of a tensor, evenly spread over it."""
    flat = tensor.numpy().ravel()
    return [float(flat[at]) for at in np.linspace(0, flat.size - 1, count).astype(int)]


def norms(network: paddle.nn.Layer) -> dict[str, float]:
    """Return the L2 norm of every parameter and statistic."""
    return {
        name: float(np.linalg.norm(tensor.numpy().astype(np.float64)))
        for name, tensor in network.state_dict().items()
    }


def assert_equal(got: Mapping[str, float], wanted: Mapping[str, float], rel: float) -> None:
    """Hold the wanted ones of many numbers against those that are wanted."""
    assert {name: got[name] for name in wanted} == pytest.approx(wanted, rel=rel)


def assert_computes(network: paddle.nn.Layer, wanted: Numbers) -> None:
    """Hold a backbone against PaddleOCR's numbers; it is merged afterwards."""
    for mode, values in (("eval", wanted.evaluated), ("train", wanted.trained)):
        fill(network)
        getattr(network, mode)()
        outputs = network(images())
        tolerance = 1e-5 * float(outputs.abs().max())
        assert digest(outputs) == pytest.approx(values, abs=tolerance)
    assert_equal(norms(network), wanted.statistics, rel=1e-5)
    (outputs**2).sum().backward()
    gradients = {
        name: float(parameter.grad.norm())
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }
    assert_equal(gradients, wanted.gradients, rel=1e-3)

    fill(network)
    network.eval()
    with paddle.no_grad():
        apart = network(images()).numpy()
        assert reparameterise(network) > 0
        merged = network(images()).numpy()
    assert np.abs(merged - apart).max() < 1e-5 * np.abs(apart).max()
    after = norms(network)
    assert len(after) == wanted.num_merged
    assert_equal(after, wanted.merged, rel=1e-6)

    reparameterise(network)  # again, which changes nothing
    assert norms(network) == after
    with paddle.no_grad():
        assert np.array_equal(network(images()).numpy(), merged)
