"""Why a text was missed: the boxes tell."""

from __future__ import annotations

import numpy as np
import pytest

from training.detection.metrics import match_boxes
from training.detection.page.misses import (
    BADLY_FITTED,
    IN_PIECES,
    NOT_JUDGED,
    NOT_SEEN,
    RUN_TOGETHER,
    why_missed,
)


def rectangle(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def reasons(
    texts: list[np.ndarray], boxes: list[np.ndarray], ignored: tuple[int, ...] = ()
) -> dict[int, str]:
    tags = [place in ignored for place in range(len(texts))]
    return why_missed(match_boxes(boxes, texts, tags), texts, tags, boxes)


TEXT, BELOW, FAR = rectangle(0, 0, 100, 20), rectangle(0, 25, 100, 20), rectangle(300, 0, 50, 20)


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([], NOT_SEEN),
        ([rectangle(150, 0, 100, 20)], NOT_SEEN),
        ([rectangle(97, 0, 100, 20)], NOT_SEEN),  # it touches the text's end alone
        ([rectangle(0, 0, 4, 20)], NOT_SEEN),  # a speck
        ([rectangle(0, 0, 100, 48)], RUN_TOGETHER),
        ([rectangle(-10, -10, 400, 60)], RUN_TOGETHER),
        ([rectangle(0, 0, 30, 20), rectangle(50, 0, 30, 20)], IN_PIECES),
        (
            [rectangle(0, -15, 30, 38), rectangle(50, -15, 30, 38)],
            IN_PIECES,
        ),  # taller than the text
        ([rectangle(0, 0, 40, 20)], BADLY_FITTED),
        ([rectangle(40, 0, 100, 20)], BADLY_FITTED),
        ([rectangle(-60, -15, 220, 38)], BADLY_FITTED),
    ],
)
def test_the_reason_is_what_the_boxes_show(boxes: list[np.ndarray], reason: str) -> None:
    assert reasons([TEXT, BELOW, FAR], boxes)[0] == reason


def test_the_box_of_another_text_is_no_piece_of_this_one() -> None:
    above = rectangle(0, 0, 100, 20)
    text = rectangle(0, 20, 100, 20)
    assert reasons([above, text], [rectangle(0, 0, 100, 24)]) == {1: NOT_SEEN}
    # A box of both that fits one of them well enough.
    assert reasons([rectangle(0, 0, 100, 30), rectangle(0, 30, 100, 15)], [
        rectangle(0, 0, 100, 45)
    ]) == {1: RUN_TOGETHER}  # fmt: skip


def test_a_text_labelled_twice_is_no_other_text() -> None:
    box = rectangle(0, 0, 100, 20)
    assert reasons([TEXT, TEXT], [box]) == {1: NOT_SEEN}
    word = rectangle(0, 0, 60, 20)
    assert reasons([word, TEXT], [rectangle(0, 0, 59, 20)]) == {1: NOT_SEEN}
    crossing = np.array([[0, 25], [100, 45], [100, 25], [0, 45]])
    wide = rectangle(0, 0, 100, 47)
    assert reasons([TEXT, crossing], [wide]) == {0: BADLY_FITTED}
    assert reasons([TEXT, BELOW], [wide]) == {0: RUN_TOGETHER, 1: RUN_TOGETHER}


def test_a_box_that_does_not_count_is_named() -> None:
    around = rectangle(-50, -50, 300, 120)
    assert reasons([TEXT, around], [TEXT], ignored=(1,)) == {0: NOT_JUDGED}
    assert reasons([TEXT, around], [], ignored=(1,)) == {0: NOT_SEEN}


def test_a_box_in_the_hollow_of_a_curved_text_is_not_on_it() -> None:
    angles = np.linspace(0, np.pi, 12)
    outer = 100 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    arc = np.concatenate([outer, 0.8 * outer[::-1]])
    inside = [rectangle(-40, 10, 30, 40), rectangle(10, 10, 30, 40)]
    assert reasons([arc], inside) == {0: NOT_SEEN}


def test_only_what_was_missed_is_told() -> None:
    assert reasons([TEXT, BELOW, FAR], [BELOW, rectangle(300, 0, 20, 20)]) == {
        0: NOT_SEEN,
        2: BADLY_FITTED,
    }
    assert reasons([TEXT], [TEXT]) == {}


def test_corners_that_are_no_polygon_break_nothing() -> None:
    crossing = np.array([[0, 0], [100, 20], [100, 0], [0, 20]])
    flat = np.array([[0, 5], [10, 5], [20, 5], [30, 5]])
    two = np.array([[0, 5], [10, 5]])
    assert reasons([crossing, flat, two, TEXT], [flat, two]) == {3: NOT_SEEN}
