"""A map that is put together from tiles is that of the whole page."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

import runtime.pages.tiles as tiles
from runtime.pages.tiles import map_of_page
from runtime.shared_work import one_after_another
from tests.runtime.pages.conftest import FakeDetector


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages be large from 128 x 128 px on."""
    monkeypatch.setattr(tiles, "_MOST_WHOLE", 2**14)
    monkeypatch.setattr(tiles, "_TILE_PX", 128)
    monkeypatch.setattr(tiles, "_MARGIN_PX", 16)


def page_of_noise(height: int, width: int) -> Any:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def mapped(page: Any, size: tuple[int, int], detector: Any, turns: int = 0) -> Any:
    return map_of_page(page, size, turns, detector, one_after_another)


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("size", [(96, 64), (352, 480), (64, 800), (800, 64)], ids=str)
def test_the_map_is_that_of_the_whole_page(size: tuple[int, int], turns: int) -> None:
    page = page_of_noise(*size)
    detector = FakeDetector()
    found = mapped(page, size, detector, turns)
    assert np.allclose(found, page.mean(axis=2) / 255)
    assert all(part.shape[0] * part.shape[1] <= 2**14 for part in detector.fed)


def test_a_long_page_has_few_long_tiles() -> None:
    detector = FakeDetector()
    mapped(page_of_noise(800, 64), (800, 64), detector)
    assert [part.shape[:2] for part in detector.fed] == [(256, 64)] * 4


def test_a_shrunken_page_comes_out_where_it_was() -> None:
    page = np.zeros((1000, 1400, 3), dtype=np.uint8)
    cv2.rectangle(page, (300, 480), (1100, 520), (255, 255, 255), -1)
    found = mapped(page, (512, 704), FakeDetector())
    rows, columns = np.nonzero(found > 0.5)
    assert (rows.min(), rows.max()) == pytest.approx((480 * 0.512, 520 * 0.512), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((300 * 0.503, 1100 * 0.503), abs=1)


def test_tiles_without_contrast_are_not_run() -> None:
    page = np.full((512, 512, 3), 200, dtype=np.uint8)
    page[:60, :60] = 255
    detector = FakeDetector()
    found = mapped(page, (512, 512), detector)
    assert len(detector.fed) == 1
    assert found[30, 30] == 1 and found[400, 400] == 0


def test_a_network_of_one_size_is_fed_that_size() -> None:
    page = page_of_noise(160, 352)
    detector = FakeDetector(fixed=(96, 128))
    found = mapped(page, (160, 352), detector)
    assert np.allclose(found, page.mean(axis=2) / 255)
    assert {part.shape[:2] for part in detector.fed} == {(96, 128)}
