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
_STEP, _MOST_MOVED = 1e-5, 1e-2
"""A step that moves each weight of a kernel by the one moves no output by more than the other, in
shares of its deviation. In front of a BatchNorm any length of a kernel computes the same, and
merging leaves the wrong one: of PP-OCRv4's mobile detector the median weight of the head's first
kernel is 1.7e-5, and a step of 1e-5 lifts the loss from 0.002 to 1.04."""
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
    lengths = _Lengths(network)

    def measure(norm: nn.Layer, taken: tuple[paddle.Tensor, ...]) -> None:
        moments.setdefault(id(norm), _Moments()).add(taken[0].numpy())
        lengths.see(norm, taken[0])

    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    try:
        network.eval()
        with paddle.no_grad():
            for part in parts_of(inputs):
                network.deployed(paddle.to_tensor(part))
    finally:
        for hook in [*hooks, *lengths.hooks]:
            hook.remove()
    reached = [norm for norm in norms if id(norm) in moments]
    for norm in reached:
        mean, variance = moments[id(norm)].mean_and_variance()
        longer = lengths.lengthen(norm, np.sqrt(variance + norm._epsilon))
        _set_statistics(norm, mean, variance, longer)
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


class _Lengths:
    """What reaches the kernels in front of BatchNorms, which decides how long they should be."""

    def __init__(self, network: Network) -> None:
        self._reaching: dict[int, _Moments] = {}
        self._behind: dict[int, set[int]] = {}
        self._before: dict[int, list[nn.Conv2D]] = {}
        self._last: tuple[nn.Conv2D, paddle.Tensor] | None = None
        convs = [layer for layer in network.sublayers() if isinstance(layer, nn.Conv2D)]
        self.hooks = [conv.register_forward_post_hook(self._run) for conv in convs]

    def _run(self, conv: nn.Conv2D, taken: tuple[paddle.Tensor, ...], made: paddle.Tensor) -> None:
        self._reaching.setdefault(id(conv), _Moments()).add(np.abs(taken[0].numpy()))
        self._last = (conv, made)

    def see(self, norm: nn.Layer, taken: paddle.Tensor) -> None:
        """Remember which convolution stands in front of a BatchNorm, if one does."""
        if self._last is not None and self._last[1] is taken:
            conv = self._last[0]
            self._behind.setdefault(id(conv), set()).add(id(norm))
            if conv not in (before := self._before.setdefault(id(norm), [])):
                before.append(conv)

    def lengthen(self, norm: nn.Layer, deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lengthen the kernel in front of a BatchNorm where a step would move it too far.

        Args:
            norm: a BatchNorm.
            deviation: of what reaches it, [C].

        Returns:
            how many times longer it is for each channel now, powers of 2, which round nothing, [C].
        """
        factors = np.ones_like(deviation)
        before = self._before.get(id(norm), [])
        if len(before) != 1 or len(self._behind[id(before[0])]) != 1:
            return factors
        (conv,) = before
        mean, _ = self._reaching[id(conv)].mean_and_variance()
        group, height, width = conv.weight.shape[1:]
        reaching = mean.reshape(-1, group).sum(axis=1) * (height * width)
        reaching = np.repeat(reaching, deviation.size // reaching.size)
        moved = _STEP * reaching / deviation / _MOST_MOVED
        factors = np.exp2(np.ceil(np.log2(np.maximum(moved, 1.0))))
        kernel = conv.weight.numpy() * factors.reshape(-1, 1, 1, 1)
        conv.weight.set_value(kernel.astype(np.float32))
        if conv.bias is not None:
            conv.bias.set_value((conv.bias.numpy() * factors).astype(np.float32))
        return factors


def _set_statistics(
    norm: Any,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    longer: NDArray[np.float64],
) -> None:
    """Set what was measured, where what reaches the BatchNorm is `longer` times that now."""
    epsilon = norm._epsilon
    before, spread, weight, bias = (
        np.float64(tensor.numpy())
        for tensor in (norm._mean, norm._variance, norm.weight, norm.bias)
    )
    factor = weight / np.sqrt(spread + epsilon)
    summand = bias - before * factor
    for tensor, values in (
        (norm._mean, mean * longer),
        (norm._variance, variance * longer**2),
        (norm.weight, factor * np.sqrt(variance + epsilon / longer**2)),
        (norm.bias, summand + factor * mean),
    ):
        tensor.set_value(values.astype(np.float32))
