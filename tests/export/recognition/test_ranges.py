"""trtexec's shapes into profiles; what cannot be is told with its flag."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from export.engine.build import smaller
from export.recognition.ranges import ranges_for
from runtime.engines.tensors import Profile
from runtime.errors import ConfigError
from runtime.recognition.spec import RecognizerSpec, WidthPolicy

SPEC = RecognizerSpec(characters=("a",), width=WidthPolicy(32, 32, 960))


def sizes(profiles) -> list[tuple[tuple[int, int], ...]]:
    return [tuple((one[0], one[3]) for one in (p.min, p.opt, p.max)) for p in profiles]


def test_defaults_follow_from_the_spec() -> None:
    assert sizes(ranges_for(SPEC, {})) == [
        ((1, 32), (8, 320), (32, 320)),
        ((1, 352), (8, 640), (32, 640)),
        ((1, 672), (8, 960), (21, 960)),
    ]
    wide = RecognizerSpec(characters=("a",))
    assert [range_[2] for range_ in sizes(ranges_for(wide, {}))] == [
        *((32, 320), (32, 640), (16, 1280), (8, 2560), (6, 3200))
    ]
    assert ranges_for(SPEC, {})[0].min == (1, 3, 32, 32)
    fixed = RecognizerSpec(characters=("a",), width=WidthPolicy(320, 320, 320), height=48)
    assert ranges_for(fixed, {}, fixed_batch=4)[0].max == (4, 3, 48, 320)


def test_crops_choose_what_is_tuned_for() -> None:
    assert sizes(ranges_for(SPEC, {}, [96, 96, 320]))[0][1] == (8, 96)
    # A line that the profile does not take has no say.
    chosen = ranges_for(SPEC, {"max": "x:16x3x32x320"}, [640, 640, 96])
    assert sizes(chosen) == [((1, 32), (4, 96), (16, 320))]


def test_given_shapes_are_taken() -> None:
    asked = {"min": "x:1x3x32x32", "opt": "8x3x32x320", "max": "x:64x3x32x640"}
    assert sizes(ranges_for(SPEC, asked)) == [((1, 32), (8, 320), (64, 640))]
    assert sizes(ranges_for(SPEC, {"opt": "x:64x3x32x320"})) == [((1, 32), (64, 320), (64, 960))]
    assert sizes(ranges_for(SPEC, {"min": "x:40x3x32x640"})) == [((40, 640), (40, 640), (40, 960))]


def test_buckets_leave_no_gap() -> None:
    doubled = sizes(ranges_for(SPEC, {}, [96, 320], buckets=[]))
    assert [(range_[0][1], range_[1][1], range_[2][1]) for range_ in doubled] == [
        (32, 32, 32),
        (64, 64, 64),
        (96, 96, 128),
        (160, 256, 256),
        (288, 320, 512),
        (544, 960, 960),
    ]
    given = sizes(ranges_for(SPEC, {}, buckets=[160, 320]))
    assert [(range_[0][1], range_[2][1]) for range_ in given] == [(32, 160), (192, 320), (352, 960)]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"min": "y:1x3x32x32"}, r"--minShapes: unknown tensor: expected 'x'.*got 'y'"),
        ({"opt": "x:1x3x48x320"}, r"--optShapes: expected H = 32.*got 48"),
        ({"max": "x:1x1x32x320"}, r"--maxShapes: expected C = 3.*got 1"),
        ({"max": "x:1x3x32x992"}, r"--maxShapes: expected W from 32 to 960 px.*got 992"),
        ({"min": "x:1x3x32x16"}, r"--minShapes: expected W from 32"),
        ({"min": "x:0x3x32x32"}, r"--minShapes: expected N of at least 1"),
        ({"min": "x:1x3x32"}, r"--minShapes: expected four sizes"),
        ({"min": "x=1x3x32x32"}, r"--minShapes: expected x:NxCxHxW"),
        pytest.param({"max": f"x:{'9' * 5000}x3x32x32"}, "--maxShapes: expected x:N", id="digits"),
        ({"max": "x:99999999999x3x32x32"}, r"--maxShapes: expected x:NxCxHxW"),
        (
            {"opt": "x:8x3x32x640", "max": "x:8x3x32x320"},
            r"--optShapes must not exceed --maxShapes.*8x3x32x640 and 8x3x32x320",
        ),
        (
            {"min": "x:9x3x32x32", "opt": "x:8x3x32x320"},
            r"--minShapes must not exceed --optShapes",
        ),
    ],
)
def test_impossible_shapes_name_their_flag(asked: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ranges_for(SPEC, asked)


@pytest.mark.parametrize("buckets", [[320, 160], [16], [2000]])
def test_impossible_buckets(buckets: list[int]) -> None:
    with pytest.raises(ConfigError, match="--bucketProfiles: expected ascending widths"):
        ranges_for(SPEC, {}, buckets=buckets)


def test_a_fixed_batch_leaves_no_choice() -> None:
    with pytest.raises(ConfigError, match=r"--maxShapes: the model has a fixed batch.*N = 4"):
        ranges_for(SPEC, {"max": "x:8x3x32x320"}, fixed_batch=4)


def test_smaller_batches_until_there_are_none() -> None:
    ranges = ranges_for(SPEC, {"max": "x:5x3x32x960"}, buckets=[])
    profiles: Sequence[Profile] | None = [{"x": shapes} for shapes in ranges]
    batches = []
    while profiles is not None:
        batches.append((profiles[0]["x"].opt[0], profiles[0]["x"].max[0]))
        profiles = smaller(profiles)
    assert batches == [(1, 5), (1, 2), (1, 1)]
