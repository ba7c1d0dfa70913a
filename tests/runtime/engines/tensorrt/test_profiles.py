from __future__ import annotations

import pytest

from runtime.engines.tensorrt.profiles import parts_of, profile_of
from runtime.engines.tensors import Part, Profile, ShapeRange
from runtime.errors import EngineError


def profile(batches: tuple[int, int], widths: tuple[int, int]) -> Profile:
    """Images and a number for each, the optimum at the maximum."""
    (few, many), (narrow, wide) = batches, widths
    return {
        "pixels": ShapeRange((few, 32, narrow, 3), (many, 32, wide, 3), (many, 32, wide, 3)),
        "sizes": ShapeRange((few,), (many,), (many,)),
    }


NARROW, WIDE, ALL = (
    profile((1, 32), (32, 160)),
    profile((1, 8), (160, 640)),
    profile((1, 4), (32, 640)),
)


@pytest.mark.parametrize(
    ("count", "width_px", "profiles", "expected"),
    [
        (5, 96, [NARROW, WIDE], [(0, 0, 5, 8)]),
        (5, 192, [NARROW, WIDE], [(1, 0, 5, 8)]),
        # Both hold it: the smaller of them, or the narrower of equals.
        (5, 160, [NARROW, WIDE], [(0, 0, 5, 8)]),
        (5, 160, [WIDE, NARROW], [(1, 0, 5, 8)]),
        (4, 96, [NARROW, ALL], [(1, 0, 4, 4)]),
        (5, 96, [NARROW, ALL], [(0, 0, 5, 8)]),
        (9, 160, [NARROW, WIDE], [(0, 0, 9, 16)]),
        (17, 96, [profile((1, 20), (32, 160))], [(0, 0, 17, 20)]),
        # More than any takes: in parts of the most, the rest wherever it fits.
        (20, 320, [WIDE], [(0, 0, 8, 8), (0, 8, 8, 8), (0, 16, 4, 4)]),
        (36, 160, [NARROW, ALL], [(0, 0, 32, 32), (1, 32, 4, 4)]),
        # Fewer than a profile takes: filled up, as little as possible.
        (3, 96, [profile((8, 8), (96, 96)), profile((4, 64), (32, 640))], [(1, 0, 3, 4)]),
        (6, 96, [profile((4, 4), (96, 96))], [(0, 0, 4, 4), (0, 4, 2, 4)]),
    ],
)
def test_the_smallest_profile_takes_a_batch(
    count: int,
    width_px: int,
    profiles: list[Profile],
    expected: list[tuple[int, int, int, int]],
) -> None:
    parts = parts_of(count, {"pixels": (32, width_px, 3), "sizes": ()}, profiles, "plan")
    assert parts == [Part(*part) for _, *part in expected]
    for part, (number, *_) in zip(parts, expected, strict=True):
        shapes = {"pixels": (part.batch, 32, width_px, 3), "sizes": (part.batch,)}
        assert profile_of(shapes, profiles, "plan") == number


@pytest.mark.parametrize("width_px", [31, 200, 641])
def test_a_width_of_no_profile_is_refused(width_px: int) -> None:
    profiles = [profile((1, 8), (256, 640)), NARROW]
    expected = (
        rf"\[32, {width_px}, 3\].* expected pixels \[1 to 8, 32, 256 to 640, 3\], sizes .* or"
    )
    with pytest.raises(EngineError, match=expected):
        parts_of(1, {"pixels": (32, width_px, 3), "sizes": ()}, profiles, "plan")


@pytest.mark.parametrize(
    "shapes",
    [
        {"pixels": (9, 32, 256, 3), "sizes": (9,)},
        {"pixels": (1, 32, 256, 3)},
        {"pixels": (1, 32, 256), "sizes": (1,)},
        {"pixels": (1, 32, 256, 3), "sizes": (1,), "others": (1,)},
    ],
)
def test_other_shapes_are_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(EngineError, match="no optimisation profile takes"):
        profile_of(shapes, [profile((1, 8), (256, 640))], "plan")
