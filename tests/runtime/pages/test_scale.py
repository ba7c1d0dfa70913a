"""The scale of detection follows from the height of the text that is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from runtime.detection.boxes import BoxOptions
from runtime.pages.scale import Finder, Outline, Pass, _merged, small_height
from runtime.shared_work import one_after_another
from tests.runtime.pages.conftest import FakeDetector


@pytest.fixture(autouse=True)
def whole_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let inputs run as a whole, so that each tells its scale."""
    monkeypatch.setattr("runtime.pages.tiles._MOST_WHOLE", 2**24)


class Bars(FakeDetector):
    """A detector of bright bars that are at least so high in its input.

    Args:
        least: height in px below which it sees nothing.
    """

    boxes = BoxOptions(box_thresh=0.6, unclip_ratio=0.5)

    def __init__(self, least: int = 1) -> None:
        super().__init__()
        self.least = least

    def probabilities(self, pixels: Any) -> Any:
        seen = super().probabilities(pixels)
        return cv2.morphologyEx(seen, cv2.MORPH_OPEN, np.ones((self.least, 1), np.uint8))

    @property
    def scales(self) -> list[int]:
        """The longer side of each input."""
        return [max(pixels.shape[:2]) for pixels in self.fed]


def page_of(height: int, width: int, bar_heights: Sequence[int]) -> Any:
    """Return a page with bars of these heights below each other, 300 px long."""
    page = np.zeros((height, width, 3), dtype=np.uint8)
    top = 20
    for bar_height in bar_heights:
        page[top : top + bar_height, 30 : width - 30] = 255
        top += 2 * bar_height + 20
    assert top <= height
    return page


def found(page: Any, detector: Bars, turns: int = 0) -> list[Outline]:
    return Finder(page, detector, one_after_another, turns).outlines()  # type: ignore[arg-type]


def test_tall_lines_are_found_in_the_coarse_pass_alone() -> None:
    detector = Bars()
    outlines = found(page_of(1280, 960, [40] * 8), detector)
    assert detector.scales == [640] and len(outlines) == 8
    assert [outline.sides[1] for outline in outlines] == pytest.approx([50] * 8, abs=8)


def test_small_lines_are_looked_at_larger() -> None:
    detector = Bars()
    outlines = found(page_of(1280, 960, [14] * 8), detector)
    assert len(outlines) == 8
    first, second = detector.scales
    assert first == 640 and 1000 < second <= 1440


def test_lines_that_the_coarse_pass_misses_are_found() -> None:
    detector = Bars(least=6)
    assert len(found(page_of(3200, 640, [24] * 20), detector)) == 20
    assert detector.scales[0] == 640 and max(detector.scales) <= 3200


def test_small_print_below_a_large_heading_is_found() -> None:
    detector = Bars(least=6)
    outlines = found(page_of(1600, 1200, [300, *[12] * 18]), detector)
    heights = sorted(outline.sides[1] for outline in outlines)
    assert len(outlines) == 19 and heights[-1] > 280 and heights[-2] < 30


def test_an_empty_page_costs_the_coarse_pass_alone() -> None:
    detector = Bars()
    assert found(np.zeros((3000, 2000, 3), dtype=np.uint8), detector) == []
    assert detector.scales == [640]


def test_what_no_scale_explains_ends_at_paddleocrs() -> None:
    noise = np.random.default_rng(2).integers(0, 120, (1600, 1200, 3), dtype=np.uint8)
    noise[::8] = 120
    detector = Bars()
    assert found(noise, detector) == []
    assert max(detector.scales) == 1600 and len(detector.scales) <= 3


def test_a_turned_input_finds_the_same_places() -> None:
    page = page_of(1280, 960, [40] * 4)
    upright, turned = found(page, Bars()), found(page, Bars(), turns=1)
    for outline, same in zip(upright, turned, strict=True):
        assert np.allclose(outline.points, same.points, atol=3)


def outline(left: float, top: float, right: float, bottom: float) -> Outline:
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=float)
    return Outline(corners, corners, 0.9)


def test_pieces_of_a_heading_do_not_replace_it() -> None:
    heading = outline(0, 0, 900, 150)
    pieces = [outline(0, 0, 400, 140), outline(420, 5, 900, 150)]
    small = outline(0, 300, 500, 320)
    assert _merged([heading], Pass(1.0, [*pieces, small])) == [small, heading]


def test_lines_in_a_blot_replace_it() -> None:
    blot = outline(0, 0, 900, 200)
    lines = [outline(0, top, 900, top + 20) for top in range(0, 200, 40)]
    assert _merged([blot], Pass(1.0, lines)) == lines


def test_the_small_height_leaves_out_a_small_share() -> None:
    assert small_height([]) == 0
    assert small_height([(100, 20)] * 9 + [(20, 3)]) == 20
    assert small_height([(100, 20)] * 7 + [(100, 10)] * 3) == 10
