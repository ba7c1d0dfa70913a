"""Words stand between spaces, and where their characters stand in the page."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from runtime.pages.words import points_of, words_of
from runtime.recognition.result import Recognition


def reading(text: str) -> Recognition:
    """A reading whose characters fill a crop of 10 px each, 20 px high."""
    return Recognition(
        text,
        0.9,
        characters=tuple(text),
        character_confidences=tuple(0.5 + place / 100 for place in range(len(text))),
        time_steps=tuple(range(len(text))),
        width_px=10 * len(text),
        height_px=20,
        input_width_px=10 * len(text),
        content_width_px=10 * len(text),
        num_time_steps=len(text),
    )


def test_words_are_located_in_the_page() -> None:
    crop = np.float32([(0, 0), (80, 0), (80, 20), (0, 20)])
    page = np.float32([(100, 50), (100, 210), (60, 210), (60, 50)])  # runs down, twice as large
    first, second = words_of(reading("No. 1,5,"), cv2.getPerspectiveTransform(crop, page))
    assert (first.text, second.text) == ("No.", "1,5,")
    assert first.confidence == pytest.approx(0.51)
    assert first.points == ((100, 50), (100, 110), (60, 110), (60, 50))
    assert second.points == ((100, 130), (100, 210), (60, 210), (60, 130))


@pytest.mark.parametrize("text", ["", " ", "   "])
def test_nothing_has_no_words(text: str) -> None:
    assert words_of(reading(text), np.eye(3)) == ()


def test_points_are_plain_numbers() -> None:
    points = points_of(np.array([(1.23456, 2), (3, 4)], dtype=np.float32))
    assert points == ((1.23, 2.0), (3.0, 4.0))
    assert all(type(value) is float for point in points for value in point)
