"""The compiled convolutions over all channels agree with paddle's own, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paddle import nn

from training.kernels import DenseConv2D, DoublingConv2D, fast_path, gate
from training.kernels.dense import layers

TOLERANCE = 1e-5
few = settings(max_examples=40, deadline=None, derandomize=True)
side = st.integers(1, 40)
pair = st.tuples(st.integers(1, 3), st.integers(1, 3))

pytestmark = pytest.mark.skipif(not gate.fast_path_enabled(), reason="numba is not installed")


@pytest.fixture(autouse=True)
def small_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "LEAST_PIXELS", 1)
    monkeypatch.setattr(gate, "LEAST_IMAGES_OF_PIXELS", 1)


def results(layer: Any, x: paddle.Tensor) -> list[paddle.Tensor]:
    """Output, and the gradients of input and parameters for a fixed one of the output."""
    y = layer(x)
    paddle.seed(7)
    return [y, *paddle.grad(y, [x, *layer.parameters()], paddle.randn(y.shape))]


def differences(layer: Any, size: list[int]) -> list[float]:
    """Largest difference of each from paddle's own, over the largest expected value."""
    x = paddle.randn(size)
    x.stop_gradient = False
    fast = results(layer, x)
    with fast_path(enabled=False):
        slow = results(layer, x)
    assert [tensor.shape for tensor in fast] == [tensor.shape for tensor in slow]
    return [
        float(np.abs(a.numpy() - b.numpy()).max() / max(np.abs(b.numpy()).max(), 1.0))
        for a, b in zip(fast, slow, strict=True)
    ]


@few
@given(
    batch=st.integers(1, 3),
    channels=st.sampled_from([1, 3, 8]),
    outputs=st.sampled_from([1, 7, 8, 17]),
    height=side,
    width=side,
    kernel=st.sampled_from([(3, 3), (2, 2), (1, 5), (9, 9), (4, 1)]),
    stride=pair,
    padding=st.lists(st.integers(0, 4), min_size=4, max_size=4),
    has_bias=st.booleans(),
)
def test_agrees_with_paddle(
    batch: int,
    channels: int,
    outputs: int,
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: list[int],
    has_bias: bool,
) -> None:
    height, width = max(height, kernel[0]), max(width, kernel[1])
    bias = None if has_bias else False
    paddle.seed(3)
    layer = DenseConv2D(channels, outputs, kernel, list(stride), padding=padding, bias_attr=bias)
    assert max(differences(layer, [batch, channels, height, width])) < TOLERANCE


@few
@given(
    batch=st.integers(1, 3),
    channels=st.sampled_from([1, 3, 16]),
    outputs=st.sampled_from([8, 9, 24]),
    height=side,
    width=side,
)
def test_doubling_agrees_with_paddle(
    batch: int, channels: int, outputs: int, height: int, width: int
) -> None:
    paddle.seed(3)
    layer = DoublingConv2D(channels, outputs, 2, 2)
    assert max(differences(layer, [batch, channels, height, width])) < TOLERANCE


def test_compiled_loops_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(layers, "convolved", lambda *a: taken.append("dense") or a[0] * 1)
    monkeypatch.setattr(layers, "convolved_back", lambda *a: taken.append("doubling") or a[0] * 1)
    image = paddle.randn([1, 8, 6, 6])
    DenseConv2D(8, 8, 3, padding=1)(image)
    DoublingConv2D(8, 8, 2, 2)(image)
    assert taken == ["dense", "doubling"]
    with paddle.no_grad():  # what is deployed reads to the bit what paddle does
        DenseConv2D(8, 8, 3, padding=1)(image)
    DenseConv2D(8, 8, 3, padding=2, dilation=2)(image)
    DenseConv2D(8, 8, 3, padding="SAME")(image)
    DenseConv2D(128, 128, 3)(paddle.randn([1, 128, 6, 6]))
    DoublingConv2D(8, 8, 3, 2)(image)
    assert taken == ["dense", "doubling"]


def test_the_same_inputs_give_the_same_bits() -> None:
    layer = DenseConv2D(16, 24, 3, 2, padding=1)
    image = paddle.randn([3, 16, 65, 70])
    image.stop_gradient = False
    first = results(layer, image)
    for _ in range(4):
        again = results(layer, image)
        assert all(bool((a == b).all()) for a, b in zip(first, again, strict=True))


def test_frozen_parameters_get_no_gradient() -> None:
    layer = DenseConv2D(8, 8, 3, padding=1)
    layer.weight.stop_gradient = True
    image = paddle.randn([1, 8, 6, 6])
    layer(image).sum().backward()
    assert layer.weight.grad is None
    np.testing.assert_allclose(layer.bias.grad.numpy(), 36.0)


@pytest.mark.parametrize("kind", [nn.Conv2D, DenseConv2D])
def test_a_wrong_number_of_channels_is_paddles_error(kind: type[nn.Conv2D]) -> None:
    with pytest.raises(ValueError, match="channel"):
        kind(8, 8, 3)(paddle.randn([1, 7, 6, 6]))
