"""Borders of regions, and what keeps maps of noise from costing gigabytes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.detection import contours
from runtime.detection.contours import contours_of, count_border_starts, largest_regions


def all_borders(bitmap: NDArray[np.uint8]) -> int:
    return len(cv2.findContours(bitmap, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0])


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.7, 0.98])
def test_no_border_begins_uncounted(share: float) -> None:
    rng = np.random.default_rng(int(share * 100))
    for size in ((40, 50), (1, 70), (70, 1), (3, 3)):
        bitmap = (rng.random(size) < share).astype(np.uint8)
        assert all_borders(bitmap) <= count_border_starts(bitmap)


def test_the_count_is_near_for_text() -> None:
    bitmap = np.zeros((200, 200), dtype=np.uint8)
    for row in range(20, 190, 20):
        cv2.ellipse(bitmap, (100, row), (60, 7), 3, 0, 360, 1, -1)
        cv2.circle(bitmap, (100, row), 3, 0, -1)
    assert all_borders(bitmap) == 18
    assert count_border_starts(bitmap) < 8 * 18


def checkerboard(side: int) -> NDArray[np.uint8]:
    rows, columns = np.ogrid[:side, :side]
    return ((rows + columns) % 2).astype(np.uint8)


def dots(side: int) -> NDArray[np.uint8]:
    rows, columns = np.ogrid[:side, :side]
    return ((rows % 2 == 0) & (columns % 2 == 0)).astype(np.uint8)


@pytest.mark.parametrize("pattern", [checkerboard, dots])
def test_a_map_of_noise_is_traced_from_outside_alone(pattern: object) -> None:
    bitmap = pattern(800)  # type: ignore[operator]
    bitmap[100:140, 200:300] = 1
    found = contours_of(bitmap, 1000)
    assert len(found) <= 1000
    assert max(map(cv2.contourArea, found)) >= 39 * 99


def test_the_largest_regions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    bitmap = np.zeros((12, 60), dtype=np.uint8)
    for number, side in enumerate((3, 5, 9, 1, 7)):
        bitmap[1 : 1 + side, 12 * number : 12 * number + side] = 1
    kept = largest_regions(bitmap, 2)
    assert kept.sum() == 9 * 9 + 7 * 7
    assert np.array_equal(largest_regions(bitmap, 9), bitmap)
    monkeypatch.setattr(contours, "_MOST_BORDERS", 4)
    assert len(contours_of(bitmap, 2)) == 2


def test_an_empty_map_has_no_borders() -> None:
    assert len(contours_of(np.zeros((8, 8), dtype=np.uint8), 10)) == 0
