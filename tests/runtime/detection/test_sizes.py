"""Input sizes stay within what a network takes and memory holds."""

from __future__ import annotations

import pytest

from runtime.detection.preprocess import MOST_PIXELS, SizePolicy
from runtime.detection.sizes import SizeRange, SizesWithin, fixed_range

MIN_736 = SizePolicy()


def test_nothing_changes_without_limits() -> None:
    assert SizesWithin(MIN_736).input_size(1000, 2000) == MIN_736.input_size(1000, 2000)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([SizeRange(32, 4000, 32, 4000)], (992, 1984)),
        ([SizeRange(32, 640, 32, 960)], (480, 960)),
        ([SizeRange(32, 480, 32, 4000)], (480, 960)),
        ([SizeRange(736, 736, 736, 736)], (736, 736)),
        ([SizeRange(1024, 1280, 2048, 2560)], (1024, 2048)),
        # The range that keeps most counts, and of equals the one that adds least.
        ([SizeRange(32, 640, 32, 960), SizeRange(32, 1280, 32, 2560)], (992, 1984)),
        ([SizeRange(1280, 1280, 2560, 2560), SizeRange(1024, 1024, 2048, 2048)], (1024, 2048)),
    ],
)
def test_sizes_are_brought_into_a_range(ranges: list[SizeRange], expected: tuple[int, int]) -> None:
    assert SizesWithin(MIN_736, ranges).input_size(1000, 2000) == expected


def test_no_input_takes_more_memory_than_there_is_for_it() -> None:
    policy = SizePolicy(image_shape=(16_384, 8_192))
    height, width = SizesWithin(policy).input_size(100, 100)
    assert height * width <= MOST_PIXELS and height == 2 * width


def test_fixed_sides_are_ranges() -> None:
    assert fixed_range((None, None)) == ()
    assert fixed_range((640, None)) == (SizeRange(640, 640, 32, 16_384),)
    assert fixed_range((640, 960)) == (SizeRange(640, 640, 960, 960),)
