"""Training pools to 40 steps as PaddleOCR does, or follows the width; evaluation always does."""

from __future__ import annotations

import paddle
import pytest

from training.backbones.pooling import PoolToRow


def test_evaluation_makes_a_step_of_two_columns() -> None:
    pool = PoolToRow()
    pool.eval()
    x = paddle.randn([1, 4, 3, 24])
    assert pool(x).shape == [1, 4, 1, 12]


def test_training_has_40_steps_whatever_the_width() -> None:
    pool = PoolToRow()
    for width in (24, 80, 200):
        assert pool(paddle.randn([1, 4, 3, width])).shape == [1, 4, 1, 40]


def test_following_the_width_is_what_evaluation_does() -> None:
    pool = PoolToRow()
    pool.follow_width()
    x = paddle.randn([1, 4, 3, 24])
    trained = pool(x)
    pool.eval()
    assert paddle.allclose(trained, pool(x), atol=1e-6)


@pytest.mark.parametrize("height", [2, 3, 4])  # of images of 32, 48 and 64 px
def test_every_row_counts_in_training_and_in_evaluation(height: int) -> None:
    pool = PoolToRow()
    pool.follow_width()
    x = paddle.randn([2, 4, height, 24])
    trained = pool(x)
    assert trained.shape == [2, 4, 1, 12]
    pool.eval()
    assert paddle.allclose(trained, pool(x), atol=1e-6)
    assert paddle.allclose(pool(x)[0, 1, 0, 3], x[0, 1, :, 6:8].mean(), atol=1e-6)
