"""BatchNorms given the statistics of images, so that they can train again.

In a deployed network every BatchNorm is merged into a factor and a summand. One that only lets its
input pass evaluates right, but normalises away what it passes as soon as it trains: of PP-OCRv6
small, CTC's loss is 94 then and nothing is read any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from training.network import Network

_PX_PER_BATCH = 2**20
_KINDS = (nn.BatchNorm, nn.BatchNorm1D, nn.BatchNorm2D)


def norms_of(network: nn.Layer) -> list[Any]:
    """List the BatchNorms of a network."""
    return [layer for layer in network.sublayers() if isinstance(layer, _KINDS)]


def parts_of(inputs: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Cut inputs [N, C, H, W] into parts of bounded size."""
    most = max(1, _PX_PER_BATCH // (inputs.shape[2] * inputs.shape[3]))
    for start in range(0, len(inputs), most):
        yield inputs[start : start + most]


def calibrate(network: Network, inputs: NDArray[np.float32]) -> int:
    """Give every BatchNorm that images reach their mean and variance; return how many it were.

    What the network computes in evaluation changes by rounding only.

    Args:
        network: its weights loaded; put in evaluation mode.
        inputs: images as training sees them, [N, C, H, W].
    """
    moments: dict[int, _Moments] = {}
    norms = norms_of(network)

    def measure(norm: nn.Layer, taken: tuple[paddle.Tensor, ...]) -> None:
        moments.setdefault(id(norm), _Moments()).add(taken[0].numpy())

    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    try:
        network.eval()
        with paddle.no_grad():
            for part in parts_of(inputs):
                network.deployed(paddle.to_tensor(part))
    finally:
        for hook in hooks:
            hook.remove()
    reached = [norm for norm in norms if id(norm) in moments]
    for norm in reached:
        _set_statistics(norm, *moments[id(norm)].mean_and_variance())
    return len(reached)


@contextmanager
def batch_statistics(network: Network) -> Iterator[None]:
    """Let BatchNorms normalise by the batch, as in training, and all else be as in evaluation."""
    network.eval()
    for norm in norms_of(network):
        norm.train()
    for layer in network.sublayers():
        if isinstance(layer, nn.LSTM):  # which in evaluation keeps nothing for the gradient
            layer.train()
    try:
        yield
    finally:
        network.eval()


class _Moments:
    """Sums over everything but the channels."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = 0, np.zeros(1), np.zeros(1)

    def add(self, values: NDArray[np.float32]) -> None:
        """Add [N, C, ...]."""
        axes = (0, *range(2, values.ndim))
        self._count += values.size // values.shape[1]
        self._sum = self._sum + values.sum(axis=axes, dtype=np.float64)
        self._squares = self._squares + np.square(values, dtype=np.float64).sum(axis=axes)

    def mean_and_variance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return both, [C]."""
        mean = self._sum / self._count
        return mean, np.maximum(self._squares / self._count - mean**2, 0.0)


def _set_statistics(norm: Any, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> None:
    epsilon = norm._epsilon
    before, spread, weight, bias = (
        np.float64(tensor.numpy())
        for tensor in (norm._mean, norm._variance, norm.weight, norm.bias)
    )
    factor = weight / np.sqrt(spread + epsilon)
    summand = bias - before * factor
    for tensor, values in (
        (norm._mean, mean),
        (norm._variance, variance),
        (norm.weight, factor * np.sqrt(variance + epsilon)),
        (norm.bias, summand + factor * mean),
    ):
        tensor.set_value(values.astype(np.float32))
