"""Axes in another order are paddle's to the bit, both ways."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from training.kernels import transpose


@pytest.mark.parametrize("axes", [(2, 0, 3, 1, 4), (0, 1, 2, 3, 4), (4, 3, 2, 1, 0)])
def test_values_and_gradient(axes: tuple[int, ...]) -> None:
    x = paddle.randn([2, 3, 4, 5, 6])
    x.stop_gradient = False
    expected = x.transpose(list(axes))
    weights = paddle.randn(expected.shape)
    got = transpose(x, axes)
    assert got.is_contiguous()
    assert np.array_equal(got.numpy(), expected.numpy())
    (gradient,) = paddle.grad((got * weights).sum(), [x])
    (wanted,) = paddle.grad((expected * weights).sum(), [x])
    assert np.array_equal(gradient.numpy(), wanted.numpy())


def test_other_types_are_left_to_paddle() -> None:
    x = paddle.arange(6).reshape([2, 3])
    assert np.array_equal(transpose(x, [1, 0]).numpy(), x.numpy().T)
