"""Builds a network again: in FP64, or in FP32 with other weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from training.network import Network


@contextmanager
def default_dtype(dtype: str) -> Iterator[None]:
    """Let paddle make new parameters in `dtype`."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(dtype)
    try:
        yield
    finally:
        paddle.set_default_dtype(before)


def rebuilt(
    build: Callable[[], Network],
    parameters: Mapping[str, NDArray[Any]],
    dtype: str,
    changed: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
) -> Network:
    """Build a network anew, in evaluation mode.

    Args:
        build: builds it, weights at random.
        parameters: its arrays by name; more than it has do no harm.
        dtype: `float32` or `float64`, of all its parameters and buffers.
        changed: applied to every array first.
    """
    with default_dtype(dtype):
        network = build()
        for layer in network.sublayers():
            if dtype != "float32" and isinstance(layer, paddle.nn.BatchNorm):
                layer.to(dtype=dtype)  # it is made in float32 whatever the default is
        for name, tensor in network.state_dict().items():
            values = parameters[name] if changed is None else changed(parameters[name])
            tensor.set_value(values.astype(dtype))
    network.eval()
    return network
