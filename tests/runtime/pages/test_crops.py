"""Lines are cut out straight, from the page's own pixels, at the recogniser's height."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from runtime.pages.crops import cut_out, extent
from runtime.recognition.spec import RecognizerSpec, WidthPolicy

SPEC = RecognizerSpec(characters=("a", " "), height=48, width=WidthPolicy(16, 32, 640))


def page_with_gradient(height: int, width: int) -> Any:
    """A page whose blue tells x and whose green tells y."""
    rows, columns = np.mgrid[:height, :width]
    levels = np.stack([columns * 255 / width, rows * 255 / height, 0 * rows], axis=2)
    return levels.astype(np.uint8)


def quad(*points: tuple[float, float]) -> Any:
    return np.array(points, dtype=np.float64)


def test_an_upright_line_of_the_right_height_is_copied() -> None:
    page = np.random.default_rng(1).integers(0, 256, (100, 300, 3), dtype=np.uint8)
    crop = cut_out(page, quad((20, 30), (220, 30), (220, 78), (20, 78)), SPEC)
    assert np.array_equal(crop.pixels, page[30:78, 20:220])


@pytest.mark.parametrize("turns", range(4))
def test_the_first_corner_is_where_the_line_begins(turns: int) -> None:
    page = page_with_gradient(200, 200)
    corners = np.roll(quad((20, 30), (140, 30), (140, 150), (20, 150)), -turns, axis=0)
    pixels = cut_out(page, corners, SPEC).pixels.astype(int)
    upright = cut_out(page, np.roll(corners, turns, axis=0), SPEC).pixels.astype(int)
    assert np.abs(pixels - np.rot90(upright, turns)).max() <= 2


@pytest.mark.parametrize("factor", [1.0, 1.3, 1.9, 2.0, 3.7, 12.0])
def test_fine_patterns_are_averaged_when_shrunk(factor: float) -> None:
    height = round(48 * factor)
    page = np.zeros((height + 40, 4 * height + 40, 3), dtype=np.uint8)
    page[:, ::2] = 255
    left, top = 20, 20
    corners = quad(
        (left, top),
        (left + 4 * height, top),
        (left + 4 * height, top + height),
        (left, top + height),
    )
    crop = cut_out(page, corners, SPEC)
    assert crop.pixels.shape == (48, 192, 3)
    if factor > 1.25:
        inner = crop.pixels[4:-4, 4:-4].astype(float)
        assert inner.mean() == pytest.approx(127.5, abs=4)
        assert inner.std() < 75 / factor


def test_a_leaning_line_comes_out_straight() -> None:
    upright = np.full((48, 300, 3), 255, dtype=np.uint8)
    cv2.putText(upright, "leaning", (20, 36), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    source = np.float32([(0, 0), (300, 0), (300, 48), (0, 48)])
    corners = np.float32([(50, 80), (330, 30), (340, 85), (60, 130)])
    page = cv2.warpPerspective(
        upright,
        cv2.getPerspectiveTransform(source, corners),
        (400, 200),
        borderMode=cv2.BORDER_REPLICATE,
        flags=cv2.INTER_CUBIC,
    )
    crop = cut_out(page, corners.astype(np.float64), SPEC)
    straight = cv2.resize(upright, crop.pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    assert np.abs(crop.pixels.astype(int) - straight).mean() < 14
    centre = np.array([[[crop.pixels.shape[1] / 2, 24.0]]])
    meeting = (188.8, 82.2)  # of the diagonals: perspective keeps them straight
    located = cv2.perspectiveTransform(centre, crop.to_page)[0, 0]
    assert located == pytest.approx(meeting, abs=0.5)


def test_a_line_that_is_too_long_is_squeezed_and_says_so() -> None:
    page = np.zeros((60, 4000, 3), dtype=np.uint8)
    crop = cut_out(page, quad((0, 0), (4000, 0), (4000, 48), (0, 48)), SPEC)
    assert crop.pixels.shape == (48, 640, 3) and crop.is_squeezed
    assert not cut_out(page, quad((0, 0), (600, 0), (600, 48), (0, 48)), SPEC).is_squeezed


def test_a_page_wider_than_opencv_warps_is_cut_all_the_same() -> None:
    page = np.zeros((50, 40_000, 3), dtype=np.uint8)
    page[:, 20_000:] = 255
    crop = cut_out(page, quad((0, 1), (40_000, 1), (40_000, 49), (0, 49)), SPEC)
    assert crop.pixels[24, 300].max() == 0 and crop.pixels[24, 340].min() == 255


@pytest.mark.parametrize(
    "corners",
    [((5, 5), (5, 5), (5, 5), (5, 5)), ((-9, -9), (90, -9), (90, 200), (-9, 200))],
    ids=["a-point", "beyond-the-page"],
)
def test_odd_corners_give_a_crop(corners: Any) -> None:
    crop = cut_out(np.zeros((40, 60, 3), dtype=np.uint8), quad(*corners), SPEC)
    assert crop.pixels.shape[0] == 48 and crop.pixels.shape[1] >= 1


def test_extent_is_the_mean_of_opposite_sides() -> None:
    assert extent(quad((0, 0), (10, 0), (12, 4), (0, 6))) == pytest.approx((11.08, 5.24), abs=0.01)
