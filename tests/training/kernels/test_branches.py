"""Branches merged for training agree with the same branches one by one in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from training.backbones.pplcnet_v3_layers import LearnableRepLayer, sum_branches
from training.kernels import affine_hardswish, set_fast_path, sum_normalised_branches
from training.kernels.gate import LEAST_IMAGES

LAYERS: dict[str, dict[str, Any]] = {
    "pointwise": {"channels": (6, 10), "kernel_size": 1},
    "pointwise and input": {"channels": (6, 6), "kernel_size": 1},
    "depthwise": {"channels": (6, 6), "kernel_size": 3, "groups": 6},
    "wide depthwise": {"channels": (6, 6), "kernel_size": 5, "groups": 6},
    "vertical stride": {"channels": (6, 6), "kernel_size": 5, "groups": 6, "stride": (2, 1)},
    "horizontal stride": {"channels": (6, 6), "kernel_size": 3, "groups": 6, "stride": (1, 2)},
}
SHAPE = (LEAST_IMAGES, 6, 5, 14)


pytestmark = pytest.mark.usefixtures("kernels")


def layer_of(channels: tuple[int, int], **options: Any) -> LearnableRepLayer:
    """Build a layer whose parameters are all uneven."""
    rng = np.random.default_rng(3)
    layer = LearnableRepLayer(*channels, num_branches=3, **options)
    for name, tensor in layer.state_dict().items():
        value = 0.4 * rng.standard_normal(tensor.shape)
        value = np.abs(value) + 0.5 if name.endswith("_variance") else value + (tensor.ndim == 1)
        tensor.set_value(value.astype(np.float32))
    layer.train()
    return layer


def results(layer: LearnableRepLayer, dtype: str, is_fast: bool) -> dict[str, np.ndarray]:
    set_fast_path(is_fast)
    layer.to(dtype=dtype)
    rng = np.random.default_rng(4)
    x = paddle.to_tensor(rng.standard_normal(SHAPE).astype("float32").astype(dtype) + 0.5)
    x.stop_gradient = False
    y = layer(x)
    y.backward(paddle.to_tensor(rng.standard_normal(y.shape).astype("float32").astype(dtype)))
    found = {"y": y, "dx": x.grad}
    found |= {name: p.grad for name, p in layer.named_parameters() if p.grad is not None}
    found |= {name: t for name, t in layer.state_dict().items() if name.endswith(("_mean", "ance"))}
    return {name: tensor.numpy() for name, tensor in found.items()}


@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
def test_agrees_with_float64(options: dict[str, Any]) -> None:
    fast = results(layer_of(**options), "float32", is_fast=True)
    exact = results(layer_of(**options), "float64", is_fast=False)
    assert set(fast) == set(exact)
    largest = max(float(np.abs(value).max()) for value in exact.values())
    for name, value in exact.items():
        # Behind BatchNorm a 1x1 depthwise kernel hardly matters: its gradient is what cancels left.
        limit = 2e-5 * float(np.abs(value).max()) + 2e-6 * largest
        assert np.abs(fast[name] - value).max() <= limit, name


@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
def test_every_form_is_merged_in_training_alone(options: dict[str, Any]) -> None:
    layer, x = layer_of(**options), paddle.randn(SHAPE)
    assert sum_normalised_branches(x, layer.branches()) is not None
    assert sum_normalised_branches(x[:-1], layer.branches()) is None
    with paddle.no_grad():
        assert sum_normalised_branches(x, layer.branches()) is None
    set_fast_path(False)
    assert sum_normalised_branches(x, layer.branches()) is None
    set_fast_path(True)
    layer.eval()
    assert sum_normalised_branches(x, layer.branches()) is None


def test_the_same_inputs_give_the_same_bits() -> None:
    for options in LAYERS.values():
        first = results(layer_of(**options), "float32", is_fast=True)
        again = results(layer_of(**options), "float32", is_fast=True)
        assert all(np.array_equal(first[name], again[name]) for name in first)


def test_frozen_parameters_get_no_gradient() -> None:
    layer = layer_of(**LAYERS["depthwise"])
    for parameter in layer.conv_kxk[0].parameters():
        parameter.stop_gradient = True
    results(layer, "float32", is_fast=True)
    assert layer.conv_kxk[0].conv.weight.grad is None
    assert layer.conv_kxk[1].conv.weight.grad is not None


@pytest.mark.parametrize("other", [{"groups": 3}, {"dilation": 2}, {"padding": 0}, {"stride": 2}])
def test_other_convolutions_are_left_to_paddle(other: dict[str, Any]) -> None:
    options = {"padding": 1, "groups": 6, **other}
    convs = [
        nn.Conv2D(6, 6, 3, bias_attr=False, **options),
        nn.Conv2D(6, 6, 3, padding=1, groups=6, bias_attr=False),
    ]
    branches = [(conv, nn.BatchNorm2D(6)) for conv in convs]
    assert sum_normalised_branches(paddle.randn(SHAPE), branches) is None


def test_not_a_number_is_not_lost() -> None:
    for options in LAYERS.values():
        layer = layer_of(**options)
        x = paddle.randn(SHAPE)
        x[0, 1, 2, 3] = float("nan")
        assert np.isnan(sum_branches(x, layer.branches()).numpy()[:, 1]).any()


def test_affine_hardswish_agrees_with_paddle_to_the_bit_and_its_gradient_with_float64() -> None:
    rng = np.random.default_rng(5)
    values = (4 * rng.standard_normal((LEAST_IMAGES, 5, 7, 161))).astype("float32")
    numbers = [0.7, -0.2, 1.3, 0.4]
    found = {}
    for dtype, is_fast in (("float32", True), ("float32", False), ("float64", False)):
        set_fast_path(is_fast)
        tensors = [paddle.to_tensor(values.astype(dtype))]
        tensors += [paddle.to_tensor(np.array([number], "float32").astype(dtype))
                    for number in numbers]  # fmt: skip
        for tensor in tensors:
            tensor.stop_gradient = False
        y = affine_hardswish(*tensors)
        y.backward(paddle.to_tensor(np.cos(values).astype(dtype)))
        found[dtype, is_fast] = [y.numpy(), *(tensor.grad.numpy() for tensor in tensors)]
    fast, slow, exact = found.values()
    assert np.array_equal(fast[0], slow[0])
    for got, wanted in zip(fast, exact, strict=True):
        assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max() + 1e-3 * (wanted.size == 1)
