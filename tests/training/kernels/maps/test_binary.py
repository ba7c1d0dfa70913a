"""Differentiable binarization by compiled loops is paddle's, and its gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.kernels import set_fast_path
from training.kernels.maps import binary_map, three_maps

pytestmark = pytest.mark.usefixtures("kernels")
Kernel = Callable[[paddle.Tensor, paddle.Tensor, float], paddle.Tensor]


def pair_of_maps(shape: list[int]) -> list[paddle.Tensor]:
    rng = np.random.RandomState(4)
    ends = (1.0, 0.5)
    return [paddle.to_tensor(rng.uniform(0.3, end, shape).astype(np.float32)) for end in ends]


def results(
    kernel: Kernel, pair: list[paddle.Tensor], steepness: float, fast: bool = True
) -> list[np.ndarray]:
    """The maps and both gradients, each value weighted otherwise."""
    set_fast_path(fast)
    given = [tensor.detach() for tensor in pair]
    for tensor in given:
        tensor.stop_gradient = False
    maps = kernel(given[0], given[1], steepness)
    weights = np.random.RandomState(5).normal(size=maps.shape).astype(np.float32)
    (maps * paddle.to_tensor(weights)).sum().backward()
    return [maps.numpy(), *(tensor.grad.numpy() for tensor in given)]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    images=st.integers(1, 3),
    size=st.tuples(st.integers(1, 70), st.integers(1, 90)),
    steepness=st.sampled_from([1.0, 10.0, 50.0]),
)
@pytest.mark.parametrize("kernel", [binary_map, three_maps])
def test_agrees_with_paddle(
    kernel: Kernel, images: int, size: tuple[int, int], steepness: float
) -> None:
    pair = pair_of_maps([images, 1, *size])
    ours, theirs = (results(kernel, pair, steepness, fast) for fast in (True, False))
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == their.shape
        assert np.abs(our - their).max() <= 1e-5 * np.abs(their).max()
    if kernel is three_maps:
        assert np.array_equal(ours[0][:, :2], np.concatenate([x.numpy() for x in pair], axis=1))


def test_far_from_the_threshold_it_is_0_or_1_without_slope() -> None:
    pair = [paddle.to_tensor([[[values]]]) for values in ([0.0, 1.0], [1.0, 0.0])]
    maps, *gradients = results(binary_map, pair, 500.0)
    assert maps.ravel() == pytest.approx([0, 1], abs=1e-37)
    assert all(np.abs(gradient).max() < 1e-30 for gradient in gradients)


def test_close_to_1_slopes_keep_their_digits() -> None:
    shrink = paddle.linspace(0.2, 1.0, 160).reshape([1, 1, 4, 40])
    pair = [shrink, paddle.full_like(shrink, 0.1)]
    _, *ours = results(binary_map, pair, 20.0)
    _, *theirs = results(binary_map, pair, 20.0, fast=False)
    assert np.allclose(ours, theirs, rtol=1e-5, atol=0)


def test_nan_is_passed_on() -> None:
    pair = pair_of_maps([1, 1, 3, 40])
    pair[0][0, 0, 1, 7] = float("nan")
    maps, *_ = results(binary_map, pair, 50.0)
    assert np.isnan(maps[0, 0, 1, 7]) and np.isnan(maps).sum() == 1


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_map_that_wants_no_gradient(frozen: int) -> None:
    pair = pair_of_maps([1, 1, 4, 6])
    pair[1 - frozen].stop_gradient = False
    three_maps(pair[0], pair[1], 50.0).sum().backward()
    assert pair[frozen].grad is None and pair[1 - frozen].grad.numpy().any()


def test_evaluation_is_paddle_s_own() -> None:
    pair = pair_of_maps([1, 1, 30, 40])
    with paddle.no_grad():
        got = three_maps(pair[0], pair[1], 50.0)
        wanted = paddle.reciprocal(1 + paddle.exp(-50.0 * (pair[0] - pair[1])))
    assert paddle.equal_all(got[:, 2:], wanted)
