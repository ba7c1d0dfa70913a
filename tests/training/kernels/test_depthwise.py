"""The compiled depthwise convolution agrees with paddle's own, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import ConfigError
from tests.training.kernels.machine import adds_in_our_order
from training.kernels import DepthwiseConv2D, depthwise_conv2d, gate
from training.kernels.depthwise import _Depthwise

TOLERANCE = 1e-4
few = settings(max_examples=25, deadline=None, derandomize=True)
side = st.integers(1, 13)
pair = st.tuples(st.integers(1, 3), st.integers(1, 3))


def relative_error(got: paddle.Tensor, expected: paddle.Tensor) -> float:
    """Largest difference over the largest expected value."""
    assert got.shape == expected.shape
    difference = np.abs(got.numpy() - expected.numpy()).max()
    return float(difference / max(np.abs(expected.numpy()).max(), 1e-6))


def results(layer: object, x: paddle.Tensor, weight: paddle.Tensor) -> list[paddle.Tensor]:
    """Output, input gradient and weight gradient for a fixed gradient of the output."""
    y = layer(x, weight)  # type: ignore[operator]
    paddle.seed(7)
    return [y, *paddle.grad(y, [x, weight], paddle.randn(y.shape))]


def tensors(*shapes: list[int]) -> list[paddle.Tensor]:
    paddle.seed(3)
    made = [paddle.randn(shape) for shape in shapes]
    for tensor in made:
        tensor.stop_gradient = False
    return made


@few
@given(
    batch=st.integers(1, 6),
    channels=st.integers(1, 4),
    height=side,
    width=side,
    kernel=st.sampled_from([(1, 1), (3, 3), (5, 5), (7, 7), (5, 3), (2, 4)]),
    stride=pair,
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_agrees_with_paddle(
    batch: int,
    channels: int,
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    # Larger than the kernel, or there would be nothing to compute.
    height, width = max(height, kernel[0]), max(width, kernel[1])
    x, weight = tensors([batch, channels, height, width], [channels, 1, *kernel])
    assert gate.serves(x, weight)
    fast = results(lambda x, w: depthwise_conv2d(x, w, stride, padding), x, weight)
    slow = results(lambda x, w: F.conv2d(x, w, None, stride, padding, groups=channels), x, weight)
    assert [relative_error(a, b) < TOLERANCE for a, b in zip(fast, slow, strict=True)] == [True] * 3


def test_the_same_inputs_give_the_same_bits() -> None:
    x, weight = tensors([5, 6, 8, 37], [6, 1, 5, 5])
    first = results(lambda x, w: depthwise_conv2d(x, w, 1, 2), x, weight)
    for _ in range(5):
        again = results(lambda x, w: depthwise_conv2d(x, w, 1, 2), x, weight)
        for a, b in zip(first, again, strict=True):
            assert np.array_equal(a.numpy(), b.numpy())


def test_the_same_bits_with_any_number_of_threads() -> None:
    numba = pytest.importorskip("numba")
    x, weight = tensors([5, 6, 8, 37], [6, 1, 3, 3])
    threads = numba.get_num_threads()
    every = results(lambda x, w: depthwise_conv2d(x, w, (2, 1), 1), x, weight)
    try:
        numba.set_num_threads(1)
        alone = results(lambda x, w: depthwise_conv2d(x, w, (2, 1), 1), x, weight)
    finally:
        numba.set_num_threads(threads)
    for a, b in zip(every, alone, strict=True):
        assert np.array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("frozen", ["x", "weight"])
def test_no_gradient_for_what_wants_none(frozen: str) -> None:
    x, weight = tensors([2, 3, 5, 7], [3, 1, 3, 3])
    still, moving = (x, weight) if frozen == "x" else (weight, x)
    still.stop_gradient = True
    depthwise_conv2d(x, weight, 1, 1).sum().backward()
    assert still.grad is None
    assert moving.grad is not None
    gradient = moving.grad.clone()
    moving.clear_grad()
    F.conv2d(x, weight, None, 1, 1, groups=3).sum().backward()
    assert relative_error(gradient, moving.grad) < TOLERANCE


def test_nothing_to_train_means_no_graph() -> None:
    x, weight = tensors([2, 3, 5, 7], [3, 1, 3, 3])
    with paddle.no_grad():
        assert depthwise_conv2d(x, weight, 1, 1).stop_gradient


def test_reads_a_transposed_view_correctly() -> None:
    x, weight = tensors([2, 7, 5, 3], [3, 1, 3, 3])
    view = x.transpose([0, 3, 2, 1])
    assert (
        relative_error(
            depthwise_conv2d(view, weight, 1, 1), F.conv2d(view, weight, None, 1, 1, groups=3)
        )
        < TOLERANCE
    )


def test_infinities_and_nan_are_passed_on() -> None:
    x, weight = tensors([1, 1, 5, 9], [1, 1, 3, 3])
    with paddle.no_grad():
        x[0, 0, 2, 4] = float("nan")
        got = np.isnan(depthwise_conv2d(x, weight, 1, 1).numpy())[0, 0]
    expected = np.zeros((5, 9), bool)
    expected[1:4, 3:6] = True
    assert np.array_equal(got, expected)


def test_layer_has_paddle_s_names_and_values() -> None:
    theirs = paddle.nn.Conv2D(4, 4, 5, stride=(2, 1), padding=2, groups=4, bias_attr=False)
    ours = DepthwiseConv2D(4, 4, 5, stride=(2, 1), padding=2, groups=4, bias_attr=False)
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    ours.set_state_dict(theirs.state_dict())
    (x,) = tensors([2, 4, 8, 11])
    assert relative_error(ours(x), theirs(x)) < TOLERANCE


@pytest.mark.parametrize(
    "options",
    [{"bias_attr": None}, {"dilation": 2}, {"padding": "SAME"}, {"padding": [0, 1, 1, 2]}],
)
def test_layer_leaves_what_it_does_not_know_to_paddle(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {"padding": 1, "bias_attr": False, **options}
    monkeypatch.setattr(_Depthwise, "apply", lambda *_: pytest.fail("not its own case"))
    theirs = paddle.nn.Conv2D(3, 3, 3, groups=3, **chosen)
    ours = DepthwiseConv2D(3, 3, 3, groups=3, **chosen)
    ours.set_state_dict(theirs.state_dict())
    (x,) = tensors([2, 3, 8, 9])
    assert np.array_equal(ours(x).numpy(), theirs(x).numpy())


@pytest.mark.parametrize(("stride", "padding"), [(0, 0), ((1, 1, 1), 0), (1, -1), (1.5, 0)])
def test_a_wrong_stride_or_padding_is_named(stride: object, padding: object) -> None:
    x, weight = tensors([1, 2, 5, 5], [2, 1, 3, 3])
    with pytest.raises(ConfigError, match=r"stride|padding"):
        depthwise_conv2d(x, weight, stride, padding)  # type: ignore[arg-type]


@adds_in_our_order
@pytest.mark.parametrize(
    ("kernel", "stride", "size"),
    [
        (3, 1, (12, 40)),
        (5, 1, (12, 40)),
        (7, 1, (6, 41)),
        (3, 2, (12, 40)),
        (5, (2, 1), (6, 80)),
        (5, 1, (3, 5)),
    ],
)
def test_outputs_are_paddle_s_to_the_bit(kernel: int, stride: Any, size: tuple[int, int]) -> None:
    paddle.seed(1)
    x, weight = paddle.randn([2, 8, *size]), paddle.randn([8, 1, kernel, kernel])
    wanted = F.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=8)
    got = depthwise_conv2d(x, weight, stride=stride, padding=kernel // 2)
    assert bool((got == wanted).all())
