"""Linear, pointwise and pooling kernels agree with paddle's own layers, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.kernels import Linear, MaxPool2D, PointwiseConv2D
from training.kernels.linear import _Linear
from training.kernels.max_pool import _MaxPool
from training.kernels.pointwise import _Pointwise

few = settings(max_examples=12, deadline=None, derandomize=True)


def input_tensor(shape: list[int]) -> paddle.Tensor:
    paddle.seed(3)
    x = paddle.randn(shape)
    x.stop_gradient = False
    return x


def results(layer: paddle.nn.Layer, x: paddle.Tensor) -> list[np.ndarray]:
    """Output and the gradients of input and parameters."""
    y = layer(x)
    paddle.seed(7)
    gradients = paddle.grad(y, [x, *layer.parameters()], paddle.randn(y.shape))
    return [tensor.numpy() for tensor in (y, *gradients)]


def assert_agree(ours: paddle.nn.Layer, theirs: paddle.nn.Layer, x: paddle.Tensor) -> None:
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.set_state_dict(theirs.state_dict())
    for got, expected in zip(results(ours, x), results(theirs, x), strict=True):
        assert got.shape == expected.shape
        assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()
    assert all(map(np.array_equal, results(ours, x), results(ours, x)))


@few
@given(
    rows=st.sampled_from([[4], [2, 3], [2, 1, 5]]),
    inputs=st.integers(1, 9),
    outputs=st.sampled_from([1, 7, 513, 1100]),
)
def test_linear_agrees_with_paddle(rows: list[int], inputs: int, outputs: int) -> None:
    x = input_tensor([*rows, inputs])
    assert_agree(Linear(inputs, outputs), paddle.nn.Linear(inputs, outputs), x)


@few
@given(
    batch=st.integers(1, 4),
    inputs=st.integers(1, 9),
    outputs=st.integers(1, 9),
    height=st.integers(1, 4),
    width=st.integers(1, 11),
)
def test_pointwise_agrees_with_paddle(
    batch: int, inputs: int, outputs: int, height: int, width: int
) -> None:
    ours = PointwiseConv2D(inputs, outputs, 1, bias_attr=False)
    theirs = paddle.nn.Conv2D(inputs, outputs, 1, bias_attr=False)
    assert_agree(ours, theirs, input_tensor([batch, inputs, height, width]))


@few
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 3),
    height=st.integers(2, 7),
    width=st.integers(2, 37),
    levels=st.sampled_from([1, 2, 1000]),
)
def test_pooling_agrees_with_paddle(
    batch: int, channels: int, height: int, width: int, levels: int
) -> None:
    # Few levels make equal values, of which the first takes the gradient.
    x = (input_tensor([batch, channels, height, width]) * levels).round().detach() / levels
    x.stop_gradient = False
    assert_agree(MaxPool2D(2, 2), paddle.nn.MaxPool2D(2, 2), x)


NOT_THEIRS: list[tuple[type[Any], type[Any], Any, dict[str, Any], list[int]]] = [
    (PointwiseConv2D, paddle.nn.Conv2D, _Pointwise, {"bias_attr": None}, [2, 3, 4, 5]),
    (PointwiseConv2D, paddle.nn.Conv2D, _Pointwise, {"kernel_size": 3}, [2, 3, 4, 5]),
    (PointwiseConv2D, paddle.nn.Conv2D, _Pointwise, {"stride": 2}, [2, 3, 4, 5]),
    (Linear, paddle.nn.Linear, _Linear, {"bias_attr": False}, [2, 5]),
    (MaxPool2D, paddle.nn.MaxPool2D, _MaxPool, {"kernel_size": 3}, [2, 3, 8, 9]),
    (MaxPool2D, paddle.nn.MaxPool2D, _MaxPool, {"padding": 1}, [2, 3, 8, 9]),
    (MaxPool2D, paddle.nn.MaxPool2D, _MaxPool, {"ceil_mode": True}, [2, 3, 7, 9]),
    (MaxPool2D, paddle.nn.MaxPool2D, _MaxPool, {"stride": 1}, [2, 3, 8, 9]),
]
DEFAULTS: dict[type[Any], dict[str, Any]] = {
    PointwiseConv2D: {
        "in_channels": 3,
        "out_channels": 4,
        "kernel_size": 1,
        "bias_attr": False,
    },
    Linear: {"in_features": 5, "out_features": 4},
    MaxPool2D: {"kernel_size": 2},
}


@pytest.mark.parametrize(("ours", "theirs", "call", "options", "shape"), NOT_THEIRS)
def test_layers_leave_what_they_do_not_know_to_paddle(
    ours: type[Any],
    theirs: type[Any],
    call: Any,
    options: dict[str, Any],
    shape: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call, "apply", lambda *_: pytest.fail("not its own case"))
    chosen = DEFAULTS[ours] | options
    layer, reference, x = ours(**chosen), theirs(**chosen), input_tensor(shape)
    layer.set_state_dict(reference.state_dict())
    assert np.array_equal(layer(x).numpy(), reference(x).numpy())


@pytest.mark.parametrize("layer", [Linear(3, 4), PointwiseConv2D(3, 4, 1, bias_attr=False)])
def test_no_gradient_for_what_wants_none(layer: paddle.nn.Layer) -> None:
    x = input_tensor([2, 3, 4, 5] if isinstance(layer, PointwiseConv2D) else [2, 3])
    x.stop_gradient = True
    layer(x).sum().backward()
    assert x.grad is None
    x.stop_gradient, layer.weight.stop_gradient = False, True
    before = layer.weight.grad.numpy().copy()
    layer(x).sum().backward()
    assert x.grad is not None
    assert np.array_equal(layer.weight.grad.numpy(), before)
