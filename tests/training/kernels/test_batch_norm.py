"""The fused BatchNorm + hard-swish agrees with paddle's two layers, forward and backward."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.kernels.machine import adds_in_our_order
from training.kernels import BatchNormHardSwish, batch_norm_hardswish, gate

TOLERANCE = 1e-4


def pair_of_layers(channels: int) -> tuple[BatchNormHardSwish, paddle.nn.BatchNorm]:
    """Ours and paddle's with the same, uneven parameters and running statistics."""
    ours = BatchNormHardSwish(channels)
    theirs = paddle.nn.BatchNorm(channels, act="hard_swish")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ramp = np.linspace(0.5, 2.0, channels, dtype=np.float32)
    for layer in (ours, theirs):
        for name, value in (("weight", ramp), ("bias", ramp - 1), ("_mean", -ramp)):
            getattr(layer, name).set_value(value)
        layer._variance.set_value(ramp * 3)
    return ours, theirs


def results(layer: paddle.nn.BatchNorm, x: paddle.Tensor) -> dict[str, np.ndarray]:
    y = layer(x)
    paddle.seed(7)
    gradients = paddle.grad(y, [x, layer.weight, layer.bias], paddle.randn(y.shape))
    arrays = {"y": y, **dict(zip(("dx", "dweight", "dbias"), gradients, strict=True))}
    arrays |= {"mean": layer._mean, "variance": layer._variance}
    return {name: tensor.numpy() for name, tensor in arrays.items()}


def input_tensor(shape: list[int], offset: float = 0.0) -> paddle.Tensor:
    paddle.seed(3)
    x = paddle.randn(shape) * 2 + offset
    x.stop_gradient = False
    return x


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    batch=st.integers(1, 5),
    channels=st.integers(1, 5),
    height=st.integers(1, 6),
    width=st.integers(2, 19),
    offset=st.sampled_from([0.0, 30.0]),
    training=st.booleans(),
)
def test_agrees_with_paddle(
    batch: int, channels: int, height: int, width: int, offset: float, training: bool
) -> None:
    x = input_tensor([batch, channels, height, width], offset)
    fast, slow = pair_of_layers(channels)
    if not training:
        fast.eval()
        slow.eval()
    assert gate.serves(x, *fast.parameters())
    got, expected = results(fast, x), results(slow, x)
    # Two values per channel normalise to +1 and -1 whatever they are: dx is rounding alone.
    scale = float(np.abs(expected["y"]).max()) if batch * height * width <= 4 else 1e-6
    for name, value in expected.items():
        limit = TOLERANCE * max(float(np.abs(value).max()), scale)
        assert np.abs(got[name] - value).max() <= limit, name


def test_the_same_inputs_give_the_same_bits() -> None:
    x = input_tensor([5, 6, 8, 37])
    first = results(pair_of_layers(6)[0], x)
    for _ in range(5):
        again = results(pair_of_layers(6)[0], x)
        assert all(np.array_equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("frozen", ["x", "weight", "bias"])
def test_no_gradient_for_what_wants_none(frozen: str) -> None:
    layer = pair_of_layers(3)[0]
    x = input_tensor([2, 3, 4, 5])
    wanted = {"x": x, "weight": layer.weight, "bias": layer.bias}
    wanted[frozen].stop_gradient = True
    layer(x).sum().backward()
    for name, tensor in wanted.items():
        assert (tensor.grad is None) == (name == frozen)


def test_evaluation_leaves_the_running_statistics_alone() -> None:
    layer = pair_of_layers(3)[0]
    before = {name: value.numpy().copy() for name, value in layer.state_dict().items()}
    layer.eval()
    layer(input_tensor([2, 3, 4, 5]))
    assert all(np.array_equal(before[name], v.numpy()) for name, v in layer.state_dict().items())


def test_a_large_mean_does_not_cancel_the_variance() -> None:
    x = input_tensor([4, 1, 4, 64]) + 4096.0
    layer = BatchNormHardSwish(1, momentum=0.0)
    layer(x)
    exact = x.numpy().astype(np.float64).var()
    assert layer._variance.numpy()[0] == pytest.approx(exact, rel=1e-4)


def test_nan_is_passed_on() -> None:
    x = input_tensor([2, 2, 4, 5]).detach()
    x[1, 0, 2, 2] = float("nan")
    y = pair_of_layers(2)[0](x).numpy()
    assert np.isnan(y[:, 0]).all()
    assert np.isfinite(y[:, 1]).all()


@adds_in_our_order
def test_evaluation_is_paddle_s_to_the_bit() -> None:
    paddle.seed(1)
    x = paddle.randn([2, 32, 6, 40]) * 3
    weight, variance = (paddle.uniform([32], min=0.3, max=3.0) for _ in range(2))
    bias, mean = (paddle.randn([32]) for _ in range(2))
    wanted = F.hardswish(F.batch_norm(x, mean, variance, weight, bias, training=False))
    got = batch_norm_hardswish(x, weight, bias, mean, variance, training=False)
    assert bool((got == wanted).all())
