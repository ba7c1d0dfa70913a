"""Batches of several heights: PaddleOCR's own plan, and the one by width."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.planned import PlannedBatch, Size
from training.data.sampler import SAMPLERS, MultiScaleSampler
from training.registry import Problems

GOLDEN = Path(__file__).parents[2] / "golden" / "rec_transforms.json"
CASES: list[dict[str, Any]] = json.loads(GOLDEN.read_text())["MultiScaleSampler"]
SCALES = [[320, 32], [320, 48], [320, 64]]


def built(**options: Any) -> MultiScaleSampler:
    section = {"name": "MultiScaleSampler", "scales": SCALES, "fix_bs": False, **options}
    sampler: MultiScaleSampler = SAMPLERS.build(section, "Train.sampler")
    return sampler


def counted(batches: list[PlannedBatch]) -> Counter[tuple[int, int, int]]:
    return Counter(
        (batch.size.width, batch.size.height, len(batch)) for batch in batches if batch.size
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["samples"]))
def test_the_scales_are_paddleocrs(case: dict[str, Any]) -> None:
    sampler = MultiScaleSampler(**case["config"])
    pairs = [[scale.size.width, scale.size.height, scale.batch_size] for scale in sampler.scales]
    assert pairs == case["pairs"]


@pytest.mark.parametrize("case", [CASES[0], CASES[2]], ids=lambda case: str(case["samples"]))
@pytest.mark.parametrize("epoch", [0, 3])
def test_the_batches_are_paddleocrs(case: dict[str, Any], epoch: int) -> None:
    count = case["samples"]
    sampler = MultiScaleSampler(**case["config"])
    batches = sampler.plan_as_paddleocr(range(count), [1.0] * count, 7, epoch)
    expected = Counter((width, height, size) for width, height, size, _ in case["batches_sorted"])
    assert counted(batches) == expected and len(batches) == case["length"]
    assert len({index for batch in batches for index in batch}) == case["distinct_samples"]
    by_width = sampler.plan_by_width(range(count), [1.0] * count, 7, epoch)
    assert counted(by_width) == expected
    assert {index for batch in by_width for index in batch} == set(range(count))


def test_widths_by_the_mean_ratio_are_paddleocrs() -> None:
    case = CASES[1]
    means = sorted({ratio for *_, ratio in case["batches_sorted"]})
    # 8 batches of 64; the last one lacks 12 samples, which come from the first.
    mixed = 7.403124999999999
    means.remove(mixed)
    ratios = [mean for mean in means for _ in range(64)]
    ratios += [(64 * mixed - 12 * means[0]) / 52] * 52
    rng = np.random.default_rng(1)
    indices = rng.permutation(500).tolist()
    batches = MultiScaleSampler(**case["config"]).plan_as_paddleocr(
        indices, [ratios[index] for index in indices], 7, 0, ds_width=True
    )
    assert len(batches) == case["length"] and {len(batch) for batch in batches} == {64}
    assert {index for batch in batches for index in batch} == set(range(500))
    found = Counter(
        round(float(np.mean([ratios[index] for index in members])), 9) for members in batches
    )
    assert found == Counter(round(ratio, 9) for *_, ratio in case["batches_sorted"])
    for batch in batches:
        mean = float(np.mean([ratios[index] for index in batch]))
        assert batch.size is not None
        limited = min(mean, 480 / batch.size.height)
        assert batch.size.width == batch.size.height * max(1, round(limited))
    heights = Counter(batch.size.height for batch in batches if batch.size)
    assert heights == {32: 3, 48: 3, 64: 3}


def test_paddleocrs_batches_stay_together_and_change_places() -> None:
    sampler = built(first_bs=8)
    first, second = (
        sampler.plan_as_paddleocr(range(100), [1.0] * 100, 7, epoch) for epoch in (0, 1)
    )
    assert first != second and set(first) == set(second)
    assert first == sampler.plan_as_paddleocr(range(100), [1.0] * 100, 7, 0)
    assert set(sampler.plan_as_paddleocr(range(100), [1.0] * 100, 8, 0)) != set(first)


@given(
    count=st.integers(2, 300),
    first_bs=st.integers(1, 20),
    fix_bs=st.booleans(),
    num_processes=st.integers(1, 2),
)
def test_every_batch_is_full_and_every_sample_used(
    count: int, first_bs: int, fix_bs: bool, num_processes: int
) -> None:
    sampler = built(first_bs=first_bs, fix_bs=fix_bs)
    ratios = np.random.default_rng(0).uniform(0.2, 12, count).tolist()
    plans = [
        sampler.plan_by_width(range(count), ratios, 3, epoch, num_processes) for epoch in (0, 1)
    ]
    for batches in plans:
        assert {index for batch in batches for index in batch} == set(range(count))
        for batch in batches:
            assert batch.size is not None and len(batch) % num_processes == 0
            (scale,) = [
                each_scale for each_scale in sampler.scales if each_scale.size == batch.size
            ]
            most = count // num_processes
            assert len(batch) == num_processes * min(scale.batch_size, most)
    assert counted(plans[0]) == counted(plans[1])
    assert plans[0] == sampler.plan_by_width(range(count), ratios, 3, 0, num_processes)
    per_height = Counter(batch.size.height for batch in plans[0] if batch.size)
    assert len(set(per_height.values())) == 1 and len(per_height) == 3


def test_similar_shapes_share_a_batch_and_meet_others_next_time() -> None:
    sampler = built(first_bs=16)
    ratios = np.random.default_rng(0).uniform(0.5, 10, 4000)

    def spread(batches: list[PlannedBatch]) -> float:
        return float(np.mean([np.ptp(ratios[list(batch)]) for batch in batches]))

    batches = sampler.plan_by_width(range(4000), ratios, 1, 0)
    assert spread(batches) < 0.5 < 7 < spread(sampler.plan_as_paddleocr(range(4000), ratios, 1, 0))
    again = sampler.plan_by_width(range(4000), ratios, 1, 1)
    assert not {frozenset(batch) for batch in batches} & {frozenset(batch) for batch in again}
    # Neither the order of the heights nor that of the shapes has a pattern.
    heights = [batch.size.height for batch in batches if batch.size]
    assert heights[:12] != [32, 48, 64] * 4 and set(heights[:20]) == {32, 48, 64}
    means = np.array([ratios[list(batch)].mean() for batch in batches])
    assert abs(np.corrcoef(means, heights)[0, 1]) < 0.2


def test_evaluation_has_one_scale_and_the_given_order() -> None:
    sampler = built(first_bs=4, is_training=False)
    batches = sampler.plan_by_width(range(10), [1.0] * 10, 3, 5)
    assert [batch.indices for batch in batches] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 0, 1)]
    assert {batch.size for batch in batches} == {Size(32, 320)}


def test_scales_are_rounded_down_and_may_be_squares() -> None:
    sampler = built(scales=[[40, 40], [330, 50]], first_bs=100)
    assert [scale.size for scale in sampler.scales] == [Size(32, 40), Size(48, 328)]
    assert [scale.batch_size for scale in sampler.scales] == [125, 10]
    assert [scale.size for scale in built(scales=[32, 48]).scales] == [Size(32, 32), Size(48, 48)]
    assert built(scales=[[320, 64], [320, 32]], first_bs=1).scales[1].batch_size == 2
    assert built(scales=[[320, 32], [3200, 64]], first_bs=1).scales[1].batch_size == 1


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({"scales": []}, "scales", "expected [width, height] of each"),
        ({"scales": [[320, 8]]}, "scales", "expected at least [8, 16] px"),
        ({"scales": [[320, 32, 3]]}, "scales", "expected [width, height] of each"),
        ({"scales": 32}, "scales", "a list"),
        ({"first_bs": 0}, "first_bs", "at least 1"),
        ({"divided_factor": [8]}, "divided_factor", "expected [width, height]"),
        ({"fix_batch": True}, "fix_batch", "did you mean fix_bs"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], path: str, message: str) -> None:
    problems = Problems()
    section = {"name": "MultiScaleSampler", "scales": SCALES, **options}
    assert SAMPLERS.read(section, "Train.sampler", problems) is None
    (problem,) = problems
    assert problem.path == f"Train.sampler.{path}" and message in problem.message


def test_paddleocrs_options_without_effect() -> None:
    assert built(ratio_wh=0.8, seed=3).heights == (32, 48, 64)
