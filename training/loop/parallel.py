"""Several processes that train like a single one: same gradients and statistics, to rounding.

Started by `python -m paddle.distributed.launch --nproc_per_node 2 -m training.train …`, on CPUs
with gloo (`PADDLE_DISTRI_BACKEND=gloo`) or on GPUs. A planned batch is shared out evenly, padded
to one common width, and BatchNorm sees the statistics of the whole batch, so that P processes of
N lines do what one process of P times N lines does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import paddle
from paddle import nn
from paddle.autograd import PyLayer
from paddle.nn import functional as F

from runtime.errors import ConfigError


@dataclass(frozen=True)
class Group:
    """This process among those that train together.

    Args:
        rank: 0 .. size - 1; 0 evaluates, logs and saves.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Tell whether this process writes."""
        return self.rank == 0

    def share(self, batch: Sequence[int]) -> list[int]:
        """Return this process's part of a planned batch.

        Raises:
            ConfigError: if the batch cannot be shared out evenly.
        """
        if len(batch) % self.size:
            raise ConfigError(
                f"a batch of {len(batch)} images cannot be shared by {self.size} processes: "
                "expected a multiple; set Train.loader.drop_last to true"
            )
        return list(batch[self.rank :: self.size])

    def largest(self, value: int) -> int:
        """Return the largest of every process's `value`."""
        return self._reduce(value, paddle.distributed.ReduceOp.MAX)

    def total(self, value: int) -> int:
        """Return the sum of every process's `value`."""
        return self._reduce(value, paddle.distributed.ReduceOp.SUM)

    def _reduce(self, value: int, operation: Any) -> int:
        if self.size == 1:
            return value
        tensor = paddle.to_tensor([value], dtype="int64")
        paddle.distributed.all_reduce(tensor, op=operation)
        return int(tensor.item())

    def mean(self, figures: dict[str, float]) -> dict[str, float]:
        """Average each figure over the processes, which all hold the same names."""
        if self.size == 1:
            return figures
        tensor = paddle.to_tensor(list(figures.values()), dtype="float64")
        paddle.distributed.all_reduce(tensor)
        return dict(zip(figures, (tensor / self.size).tolist(), strict=True))

    def average_gradients(self, parameters: Sequence[Any]) -> None:
        """Replace every gradient by its mean over the processes, in one exchange."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = paddle.concat([gradient.flatten() for gradient in gradients])
        paddle.distributed.all_reduce(flat)
        flat /= self.size
        start = 0
        for gradient in gradients:
            stop = start + int(gradient.size)
            gradient.set_value(flat[start:stop].reshape(gradient.shape))
            start = stop

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            paddle.distributed.barrier()


def join_group() -> Group:
    """Join the processes that the launcher started; without it this one is alone."""
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) < 2:
        return Group()
    paddle.distributed.init_parallel_env()
    return Group(paddle.distributed.get_rank(), paddle.distributed.get_world_size())


class _SumOverProcesses(PyLayer):
    """Sum of a tensor over the processes; the gradient is summed likewise."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> paddle.Tensor:
        total = x.clone()
        paddle.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        total = gradient.clone()
        paddle.distributed.all_reduce(total)
        return total


def synchronize_batch_norm(model: nn.Layer, group: Group) -> None:
    """Make every BatchNorm of `model` use the statistics of all processes while training."""
    if group.size == 1:
        return
    for layer in model.sublayers():
        if isinstance(layer, nn.BatchNorm | nn.BatchNorm2D):
            layer.forward = partial(_synchronized, layer, layer.forward, group.size)


def _synchronized(
    layer: Any,
    alone: Callable[[paddle.Tensor], paddle.Tensor],
    num_processes: int,
    x: paddle.Tensor,
) -> paddle.Tensor:
    """Normalise [N, C, H, W] over all processes, then apply the layer's own activation."""
    if not layer.training:
        return alone(x)
    axes = [0, 2, 3]
    mean = _SumOverProcesses.apply(x.mean(axis=axes)) / num_processes
    centered = x - mean.reshape([1, -1, 1, 1])
    variance = _SumOverProcesses.apply((centered * centered).mean(axis=axes)) / num_processes
    momentum, epsilon = layer._momentum, layer._epsilon
    with paddle.no_grad():
        for running, batch in ((layer._mean, mean), (layer._variance, variance)):
            running.set_value(momentum * running + (1 - momentum) * batch)
    scale = (layer.weight * paddle.rsqrt(variance + epsilon)).reshape([1, -1, 1, 1])
    y = centered * scale + layer.bias.reshape([1, -1, 1, 1])
    return F.hardswish(y) if getattr(layer, "_act", None) == "hard_swish" else y
