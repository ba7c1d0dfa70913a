"""Shapes of a detector's engine, chosen or asked for."""

from __future__ import annotations

from typing import Any

import pytest

from export.detection.ranges import ranges_for, sides_of
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec
from runtime.engines.tensors import ShapeRange
from runtime.errors import ConfigError

LONGER = DetectorSpec(sizes=SizePolicy(960, "max"))


def hw(shapes: ShapeRange) -> list[tuple[int, ...]]:
    return [sizes[2:] for sizes in (shapes.min, shapes.opt, shapes.max)]


@pytest.mark.parametrize(
    ("policy", "least", "most"),
    [
        (SizePolicy(), (32, 32), (4000, 4000)),
        (SizePolicy(960, "max"), (32, 32), (960, 960)),
        (SizePolicy(1000, "resize_long"), (32, 32), (992, 992)),
        (SizePolicy(resize_long=900), (128, 128), (1024, 1024)),
        (SizePolicy(image_shape=(640, 480)), (640, 480), (640, 480)),
        (SizePolicy(image_shape=(640, 480), keep_ratio=True), (640, 32), (640, 4000)),
    ],
)
def test_the_sizes_of_a_policy(
    policy: SizePolicy, least: tuple[int, int], most: tuple[int, int]
) -> None:
    assert sides_of(policy) == (least, most)


def test_one_profile_where_the_longer_side_is_limited() -> None:
    (chosen,) = ranges_for(LONGER, {})
    assert hw(chosen) == [(32, 32), (704, 960), (960, 960)]
    assert chosen.min[:2] == (1, 3) and chosen.max[0] == 7, "as much memory as for larger pages"
    assert LONGER.sizes.input_size(960, 1280) == (704, 960)


def test_larger_pages_have_profiles_of_their_own_with_fewer_at_once() -> None:
    profiles = ranges_for(DetectorSpec(), {})
    assert [profile.max for profile in profiles] == [
        *((4, 3, 1280, 1280), (1, 3, 2560, 2560), (1, 3, 4000, 4000))
    ]
    assert all(hw(profile)[0] == (32, 32) for profile in profiles)
    assert hw(profiles[0])[1] == (960, 1280) and hw(profiles[1])[1] == (1920, 2560)


def test_the_commonest_page_is_tuned_for() -> None:
    sizes = [(736, 1312), (736, 1088), (736, 1088), (1600, 1216)]
    profiles = ranges_for(DetectorSpec(), {}, sizes)
    assert [hw(profile)[1] for profile in profiles[:2]] == [(736, 1088), (736, 1312)]


def test_buckets_are_longest_sides() -> None:
    profiles = ranges_for(LONGER, {}, buckets=[320, 640])
    assert [hw(profile)[2] for profile in profiles] == [(320, 320), (640, 640), (960, 960)]
    asked = {"max": "x:2x3x640x640"}
    assert [profile.max for profile in ranges_for(LONGER, asked, buckets=[320])] == [
        *((2, 3, 320, 320), (2, 3, 640, 640))
    ]


def test_shapes_are_taken_as_trtexec_writes_them() -> None:
    asked = {"min": "x:1x3x320x320", "opt": "1x3x736x960", "max": "x:2x3x960x960"}
    assert ranges_for(LONGER, asked) == (
        ShapeRange((1, 3, 320, 320), (1, 3, 736, 960), (2, 3, 960, 960)),
    )
    (chosen,) = ranges_for(LONGER, {"max": "x:2x3x640x800"})
    assert hw(chosen) == [(32, 32), (640, 800), (640, 800)]
    (fixed,) = ranges_for(LONGER, {"opt": "x:4x3x640x640"}, fixed_batch=4)
    assert {fixed.min[0], fixed.opt[0], fixed.max[0]} == {4}


@pytest.mark.parametrize(
    ("asked", "more", "said"),
    [
        ({"max": "x:1x3x700x960"}, {}, "multiples of 32"),
        ({"max": "x:1x3x992x960"}, {}, "H from 32 to 960 px"),
        ({"max": "x:1x1x640x960"}, {}, "expected C = 3"),
        ({"max": "y:1x3x640x960"}, {}, "unknown tensor"),
        ({"max": "640x960"}, {}, "four sizes"),
        ({"max": "x:1x3x?x960"}, {}, "e.g. x:1x3x704x960"),
        ({"min": "x:1x3x640x640", "max": "x:1x3x320x960"}, {}, "must not exceed"),
        ({"max": "x:2x3x640x960"}, {"fixed_batch": 1}, "fixed batch"),
        ({}, {"buckets": [640, 320]}, "ascending"),
        ({}, {"buckets": [650]}, "multiples of 32"),
        ({}, {"buckets": [1280]}, "from 32 to 960"),
    ],
)
def test_what_cannot_be_is_said(asked: dict[str, str], more: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ranges_for(LONGER, asked, **more)
