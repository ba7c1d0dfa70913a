"""Polygons go where the image goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.training.detection.pages import colours_at_centres, draw, page
from training.detection.augment import geometry
from training.detection.augment.geometry import (
    Affine,
    Fliplr,
    IaaAugment,
    RandomPerspective,
    Resize,
)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "transform",
    [
        Fliplr(),
        Affine(rotate=[-45, 45], fit_output=True),
        Affine(rotate=[-10, 10]),
        Resize([0.5, 3]),
        IaaAugment(),
        RandomPerspective(1.0, 10.0, shear=20.0, perspective=0.001),
        RandomPerspective(1.0, fit_output=False),
    ],
)
def test_polygons_follow_the_image(transform: Any, seed: int) -> None:
    sample = transform(page(seed=seed), draw(seed))
    found = colours_at_centres(sample)
    assert len(found) == 5 and all(is_right for _, is_right in found)
    assert sample.image.dtype == np.uint8


def test_a_mirrored_page_mirrors_back() -> None:
    sample = Fliplr()(Fliplr()(page(), draw()), draw())
    assert np.array_equal(sample.image, page().image)
    assert np.allclose(sample.values["polys"], page().values["polys"], atol=1e-3)


def test_nothing_is_cut_where_the_output_fits() -> None:
    for angle in (0.0, 45.0, 90.0, 133.0):
        sample = Affine(rotate=angle, fit_output=True)(page(240, 320), draw())
        corner = sample.values["polys"]
        assert corner.min() >= 0
        assert corner[..., 0].max() < sample.image.shape[1]
        if angle == 90.0:
            assert sample.image.shape == (321, 242, 3)
        if angle == 0.0:
            assert sample.image.shape[0] in (240, 241)


def test_the_same_numbers_give_the_same_page() -> None:
    first, second = (IaaAugment()(page(), draw(3)) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.values["polys"], second.values["polys"])
    assert not np.array_equal(first.image, IaaAugment()(page(), draw(4)).image)


def test_probabilities_are_kept() -> None:
    for never in (Fliplr(0.0), Affine(0.0, [-45, 45]), RandomPerspective(0.0)):
        assert np.array_equal(never(page(), draw()).image, page().image)  # type: ignore[operator]
    mirrored = sum(
        not np.array_equal(Fliplr(0.5)(page(), draw(seed)).image, page().image)
        for seed in range(100)
    )
    assert 30 < mirrored < 70


def test_no_image_grows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "_MOST_PIXELS", 100_000)
    sample = Resize([3, 3])(page(), draw())
    assert 95_000 < sample.image.shape[0] * sample.image.shape[1] <= 100_000
    assert all(is_right for _, is_right in colours_at_centres(sample))
    steep = RandomPerspective(1.0, perspective=0.0015, scale=0.9)
    for seed in range(20):
        image = steep(page(), draw(seed)).image
        assert image.shape[0] * image.shape[1] <= 100_000


def test_augmenters_are_checked() -> None:
    problems = IaaAugment.problems_of(
        {
            "augmenter_args": [
                {"type": "Fliplr", "args": {"p": 0.5}},
                {"type": "Flipud"},
                {"type": "Affine", "args": {"rotat": [-10, 10]}},
                {"args": {}},
            ]
        }
    )
    assert [path for path, _ in problems] == [
        "augmenter_args.1.name",
        "augmenter_args.2.rotat",
        "augmenter_args.3",
    ]
    assert "did you mean rotate?" in problems[1][1]


def test_texts_that_shrink_away_are_dropped() -> None:
    sample = RandomPerspective(1.0, scale=0.9, min_area_ratio=0.9)(page(), draw(2))
    assert len(sample.values["texts"]) == len(sample.values["polys"])
    kept = [
        len(RandomPerspective(1.0, scale=0.9, min_area_ratio=0.9)(page(), draw(s)).values["polys"])
        for s in range(10)
    ]
    assert 0 in kept and 5 in kept
