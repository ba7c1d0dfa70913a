"""Views of a line: the plain one first, the others changed a little, always in the same way."""

from __future__ import annotations

import numpy as np
import pytest

from training.recognition.unlabelled.views import views_of

LINE = np.random.default_rng(3).integers(0, 256, (40, 200, 3), dtype=np.uint8)


def test_the_first_is_the_line_itself() -> None:
    plain, stretched, cropped = views_of(LINE, 3, 0)
    assert plain is LINE
    assert stretched.shape[0] == 40 and 0.85 < stretched.shape[1] / 200 < 1.15
    assert stretched.shape[1] not in range(190, 210)
    height, width = cropped.shape[:2]
    assert 40 - 2 * 3 <= height <= 40 and 200 - 2 * 2 <= width <= 200


def test_they_follow_from_seed_and_pixels() -> None:
    sizes = [view.shape for view in views_of(LINE, 3, 0)]
    assert sizes == [view.shape for view in views_of(LINE.copy(), 3, 0)]
    changed = {tuple(view.shape for view in views_of(LINE, 3, seed)) for seed in range(8)}
    assert len(changed) > 4


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 300, 3), (300, 2, 3)])
def test_odd_shapes_have_views_too(shape: tuple[int, ...]) -> None:
    for view in views_of(np.zeros(shape, np.uint8), 3, 1):
        assert min(view.shape) > 0 and view.dtype == np.uint8
