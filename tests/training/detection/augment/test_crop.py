"""Crops keep text whole, or enough of it; those of EAST are PaddleOCR's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.db_post import EXPECTED, pattern
from tests.training.detection.pages import colours_at_centres, draw, page, quad
from training.data.sample import Draw, Sample
from training.detection.augment.crop import EastRandomCropData, Window
from training.detection.augment.random_crop import RandomCrop, cut_to_window

CROPS = (EastRandomCropData, RandomCrop)


@pytest.mark.parametrize("case", EXPECTED["transforms"]["EastRandomCropData"])
def test_crops_are_paddleocrs(case: dict[str, Any]) -> None:
    values = {
        "polys": np.array(case["polys_in"], dtype=np.float32),
        "texts": [str(number) for number in range(len(case["polys_in"]))],
        "ignore_tags": np.array(case["tags_in"]),
    }
    sample = Sample(pattern((240, 320), 1, 2, (0, 50, 100)), "", "", values)
    rng: Any = np.random.RandomState(case["numpy_seed"])
    sample = EastRandomCropData(**case["config"])(sample, Draw(rng, lambda: sample))
    assert list(sample.image.shape) == case["shape"]
    assert int(sample.image.sum(dtype=np.int64)) == case["image_sum"]
    assert sample.values["polys"].tolist() == case["polys"]
    assert sample.values["texts"] == case["texts"]
    assert sample.values["ignore_tags"].tolist() == case["ignore_tags"]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("crop", CROPS)
def test_polygons_follow_the_crop(crop: Any, seed: int) -> None:
    sample = crop(size=(160, 128), max_tries=50)(page(seed=seed, ignored=(1,)), draw(seed))
    assert sample.image.shape == (128, 160, 3)
    found = colours_at_centres(sample)
    assert found and all(is_right for _, is_right in found)
    assert len(sample.values["texts"]) == len(sample.values["polys"])


@pytest.mark.parametrize("seed", range(12))
def test_east_cuts_no_text(seed: int) -> None:
    before = page(seed=seed)
    sample = EastRandomCropData(size=(160, 128), max_tries=50)(before, draw(seed))
    inside = 0
    for polygon in sample.values["polys"]:
        x, y = polygon.mean(axis=0)
        if 0 < x < 160 and 0 < y < 128 and sample.image[int(y), int(x)].any():
            assert polygon.min() > -3 and np.all(polygon.max(axis=0) < (163, 131))
            inside += 1
    assert inside


def test_text_across_the_border_is_not_cut() -> None:
    sample = page()
    sample.values["polys"][:4] = quad((0, 110), (400, 160), 0)
    for seed in range(20):
        window = EastRandomCropData(size=(64, 64), min_crop_side_ratio=0.01)(
            Sample(sample.image, "", "", dict(sample.values)), draw(seed)
        )
        assert len(window.values["polys"]) in (1, 4, 5)


@pytest.mark.parametrize("crop", CROPS)
def test_a_page_without_text_is_cropped_too(crop: Any) -> None:
    sample = page()
    sample.values |= {"polys": np.zeros((0, 4, 2)), "texts": [], "ignore_tags": np.zeros(0, bool)}
    sample = crop(size=(64, 96))(sample, draw())
    assert sample.image.shape == (96, 64, 3)
    assert sample.values["polys"].shape == (0, 4, 2)


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1)])
def test_images_of_a_line_of_pixels_are_no_error(crop: Any, size: tuple[int, int]) -> None:
    sample = page()
    sample.image = np.zeros((*size, 3), dtype=np.uint8)
    assert crop(size=(64, 64))(sample, draw()).image.shape == (64, 64, 3)


def test_cut_text_has_four_corners_inside() -> None:
    window = Window(50, 50, 100, 100)
    cut = cut_to_window(quad((60, 100), (120, 30), 20), window)
    assert cut is not None and cut.shape == (4, 2)
    assert cut.min() >= 50 - 1e-4 and cut.max() <= 150 + 1e-4
    assert cut_to_window(quad((0, 0), (10, 10), 0), window) is None
    crossed = np.array([[40, 60], [90, 90], [90, 60], [40, 90]], dtype=np.float32)
    assert cut_to_window(crossed, window) is None


def test_texts_of_which_little_remains_are_dropped() -> None:
    sample = page()
    sample.values["polys"][:] = quad((160, 120), (300, 30), 0)
    for seed in range(20):
        fresh = Sample(sample.image, "", "", dict(sample.values))
        kept = RandomCrop(size=(48, 48), max_tries=50)(fresh, draw(seed)).values["polys"]
        areas = np.ptp(kept, axis=1).prod(axis=1)
        assert len(kept) and areas.min() > 10


def test_stretching_is_told(caplog: pytest.LogCaptureFixture) -> None:
    EastRandomCropData(keep_ratio=False)
    assert "the image is stretched to the size and its boxes are not" in caplog.text


def test_impossible_crops_are_named() -> None:
    assert EastRandomCropData.problems_of({"size": [640], "max_tries": 0}) == [
        ("size", "expected width and height in px, got [640]"),
        ("max_tries", "expected at least 1, got 0"),
    ]
    assert RandomCrop.problems_of({"min_crop_side_ratio": 2})[0][0] == "min_crop_side_ratio"
