"""Why a text was missed: the boxes tell."""

from __future__ import annotations

import numpy as np
import pytest

from training.detection.page.misses import (
    IN_PIECES,
    NOT_SEEN,
    OTHER_SIZE,
    RUN_TOGETHER,
    why_missed,
)


def rectangle(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


TEXTS = [rectangle(0, 0, 100, 20), rectangle(0, 25, 100, 20), rectangle(300, 0, 50, 20)]


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([], NOT_SEEN),
        ([rectangle(150, 0, 100, 20)], NOT_SEEN),
        ([rectangle(97, 0, 100, 20)], NOT_SEEN),  # it touches the text's end alone
        ([rectangle(0, 0, 100, 45)], RUN_TOGETHER),
        ([rectangle(-10, -10, 400, 32)], RUN_TOGETHER),
        ([rectangle(0, 0, 30, 20), rectangle(50, 0, 30, 20)], IN_PIECES),
        ([rectangle(0, 0, 40, 20)], OTHER_SIZE),
        ([rectangle(0, 0, 4, 20)], OTHER_SIZE),
        ([rectangle(-60, -15, 220, 50)], OTHER_SIZE),
    ],
)
def test_the_reason_is_what_the_boxes_show(boxes: list[np.ndarray], reason: str) -> None:
    texts = TEXTS if reason == RUN_TOGETHER else [TEXTS[0], TEXTS[2]]
    assert why_missed([0], texts, boxes) == {0: reason}


def test_only_what_was_missed_is_told() -> None:
    boxes = [TEXTS[1], rectangle(300, 0, 20, 20)]
    assert why_missed([0, 2], TEXTS, boxes) == {0: NOT_SEEN, 2: OTHER_SIZE}
    assert why_missed([], TEXTS, boxes) == {}


def test_corners_that_cross_or_lie_on_a_line_break_nothing() -> None:
    crossing = np.array([[0, 0], [100, 20], [100, 0], [0, 20]])
    flat = np.array([[0, 5], [10, 5], [20, 5], [30, 5]])
    assert why_missed([0], [crossing], [crossing, flat]) == {0: OTHER_SIZE}
    assert why_missed([0], [flat], [TEXTS[0]]) == {0: NOT_SEEN}
