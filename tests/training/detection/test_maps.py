"""The maps that a detector learns are PaddleOCR's, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.db_post import ARRAYS, EXPECTED
from tests.training.detection.pages import draw, page, quad
from training.data.sample import Sample
from training.detection.maps import MakeBorderMap, MakeShrinkMap, grown_ratio

MAPS = ("threshold_map", "threshold_mask", "shrink_map", "shrink_mask")
CASES = EXPECTED["transforms"]["maps"]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_maps_are_paddleocrs(number: int) -> None:
    case = CASES[number]
    values = {
        "polys": np.array(case["polys"], dtype=np.float32),
        "ignore_tags": np.array(case["ignore_tags"]),
    }
    sample = Sample(np.zeros((*case["size"], 3), np.uint8), "", "", values)
    options: dict[str, Any] = {
        "shrink_ratio": case["shrink_ratio"],
        "total_epoch": case["total_epoch"],
    }
    chance = draw(epoch=(case["epoch"] or 1) - 1)
    sample = MakeBorderMap(**options)(sample, chance)
    sample = MakeShrinkMap(**options)(sample, chance)
    for name in MAPS:
        assert np.array_equal(sample.values[name], ARRAYS[f"maps/{number}/{name}"])
        assert sample.values[name].dtype == np.float32
    assert sample.values["ignore_tags"].tolist() == case["ignore_after"]


def test_the_ratio_grows_until_the_last_epoch() -> None:
    assert grown_ratio(0.4, None, 300) == 0.4
    assert grown_ratio(0.4, 500, 499) == pytest.approx(0.6)
    assert grown_ratio(0.4, 500, 0) == pytest.approx(0.4004)
    sample = page()
    areas = [
        MakeShrinkMap(total_epoch=500)(page(), draw(epoch=epoch)).values["shrink_map"].sum()
        for epoch in (0, 250, 499)
    ]
    assert areas[0] < areas[1] < areas[2] < sample.image[..., 0].size


def test_small_and_ignored_texts_are_not_learnt() -> None:
    sample = page(ignored=(2,))
    sample.values["polys"][0] = quad((100, 20), (60, 5), 0)
    sample = MakeShrinkMap()(sample, draw())
    assert sample.values["ignore_tags"].tolist() == [True, False, True, False, False]
    mask, text = sample.values["shrink_mask"], sample.values["shrink_map"]
    assert mask[20, 100] == 0 and text[20, 100] == 0
    assert not np.any((mask == 0) & (text == 1))


def test_a_page_without_text_is_all_background() -> None:
    sample = page()
    sample.values |= {"polys": np.zeros((0, 4, 2)), "ignore_tags": np.zeros(0, bool)}
    sample = MakeShrinkMap()(MakeBorderMap()(sample, draw()), draw())
    assert sample.values["shrink_map"].max() == 0 and sample.values["shrink_mask"].min() == 1
    assert sample.values["threshold_mask"].max() == 0
    assert np.allclose(sample.values["threshold_map"], 0.3)


@pytest.mark.parametrize("centre", [(-500, 20), (20, 5000), (1e5, 1e5), (0, 0)])
def test_text_outside_the_image_is_no_error(centre: tuple[float, float]) -> None:
    sample = page()
    sample.values["polys"][0] = quad(centre, (80, 20), 10)
    sample = MakeShrinkMap()(MakeBorderMap()(sample, draw()), draw())
    assert np.isfinite(sample.values["threshold_map"]).all()


def test_a_text_across_the_border_is_drawn_as_in_a_larger_image() -> None:
    """Only pixels of the image are computed, with the numbers that all would have."""
    polygon = quad((150, 150), (120, 40), 25)[np.newaxis]
    values = {"polys": polygon, "ignore_tags": np.zeros(1, bool)}
    whole = Sample(np.zeros((300, 300, 3), np.uint8), "", "", dict(values))
    part = Sample(np.zeros((150, 150, 3), np.uint8), "", "", dict(values))
    whole, part = MakeBorderMap()(whole, draw()), MakeBorderMap()(part, draw())
    expected = whole.values["threshold_map"][:150, :150]
    assert np.array_equal(expected, part.values["threshold_map"])
