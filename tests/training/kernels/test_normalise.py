"""BatchNorm with activations, RepViT's branches and gates agree with paddle's in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from training.backbones.layers import GATE_SLOPE, SqueezeExcitation
from training.backbones.repvit import DepthwiseBranches
from training.kernels import normalise, set_fast_path
from training.kernels.gate import LEAST_IMAGES

SHAPE = (LEAST_IMAGES, 8, 5, 37)
ACTIVATIONS = (None, "relu", "hardswish", "swish", "gelu")


pytestmark = pytest.mark.usefixtures("kernels")


class NormActivation(nn.Layer):
    def __init__(self, activation: Any) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2D(SHAPE[1])
        self.activation = activation

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return normalise(x, self.bn, self.activation)


LAYERS: dict[str, Callable[[], nn.Layer]] = {
    **{f"{name}": lambda name=name: NormActivation(name) for name in ACTIVATIONS},  # type: ignore[misc]
    "branches of 3": lambda: DepthwiseBranches(SHAPE[1], 3),
    "branches of 5": lambda: DepthwiseBranches(SHAPE[1], 5),
    "gates": lambda: SqueezeExcitation(SHAPE[1], GATE_SLOPE),
}


def results(build: Callable[[], nn.Layer], dtype: str, images: int = LEAST_IMAGES) -> Any:
    """Run a layer with uneven parameters; float32 with the kernels, float64 without."""
    set_fast_path(dtype == "float32")
    rng = np.random.default_rng(3)
    layer = build()
    for name, tensor in layer.state_dict().items():
        value = 0.4 * rng.standard_normal(tensor.shape) + (tensor.ndim == 1)
        tensor.set_value((np.abs(value) if name.endswith("_variance") else value).astype("float32"))
    layer.to(dtype=dtype)
    layer.train()
    x = paddle.to_tensor((2 * rng.standard_normal(SHAPE) + 0.5).astype("float32").astype(dtype))
    x = x[:images].detach()
    x.stop_gradient = False
    y = layer(x)
    y.backward(paddle.to_tensor(rng.standard_normal(y.shape).astype("float32").astype(dtype)))
    found = {"y": y, "dx": x.grad}
    found |= {f"d {n}": t.grad for n, t in layer.named_parameters() if not t.stop_gradient}
    found |= {n: t for n, t in layer.state_dict().items() if n.endswith(("_mean", "_variance"))}
    return {name: tensor.numpy() for name, tensor in found.items()}


@pytest.mark.parametrize("name", LAYERS)
def test_agrees_with_float64_and_repeats_its_bits(name: str) -> None:
    fast, exact = results(LAYERS[name], "float32"), results(LAYERS[name], "float64")
    assert set(fast) == set(exact)
    largest = max(float(np.abs(value).max()) for value in exact.values())
    for key, value in exact.items():
        # What cancels, as the gradient of a bias before another BatchNorm, is rounding alone.
        limit = 2e-6 * float(np.abs(value).max()) + 5e-7 * largest
        assert np.abs(fast[key] - value).max() <= limit, key
    again = results(LAYERS[name], "float32")
    assert all(np.array_equal(fast[key], again[key]) for key in fast)


@pytest.mark.parametrize("name", ["gelu", "branches of 3", "gates"])
def test_few_images_and_evaluation_are_paddle_s_to_the_bit(name: str) -> None:
    x = paddle.randn(SHAPE)
    x.stop_gradient = False
    for layer, images in ((LAYERS[name](), LEAST_IMAGES - 1), (LAYERS[name](), LEAST_IMAGES)):
        if images == LEAST_IMAGES:
            layer.eval()
        outputs = []
        for is_fast in (True, False):
            set_fast_path(is_fast)
            outputs.append(layer(x[:images]).numpy())
        # Depthwise convolutions are paddle's to the bit where it adds in the kernels' order.
        limit = 1e-5 if name == "branches of 3" else 0.0
        assert np.abs(outputs[0] - outputs[1]).max() <= limit


def test_not_a_number_is_not_lost() -> None:
    for build in LAYERS.values():
        layer = build()
        x = paddle.randn(SHAPE)
        x[0, 1, 2, 3] = float("nan")
        x.stop_gradient = False
        y = layer(x).numpy()
        assert np.isnan(y[:, 1]).any()
        if not isinstance(layer, SqueezeExcitation):
            assert np.isfinite(y[:, 0]).all()
