from __future__ import annotations

from collections.abc import Callable

import pytest

from runtime.engines.sidecar import Profile
from runtime.engines.tensorrt.profiles import Part, limited_spec, parts_of
from runtime.errors import ArtifactError, EngineError
from runtime.recognition.spec import RecognizerSpec, WidthPolicy


def profile(batches: tuple[int, int], widths: tuple[int, int], height: int = 32) -> Profile:
    """Optimum at the maximum."""
    most = (batches[1], 3, height, widths[1])
    return Profile((batches[0], 3, height, widths[0]), most, most)


NARROW, WIDE, ALL = (
    profile((1, 32), (32, 160)),
    profile((1, 8), (160, 640)),
    profile((1, 4), (32, 640)),
)


@pytest.mark.parametrize(
    ("count", "width_px", "profiles", "expected"),
    [
        (5, 96, [NARROW, WIDE], [Part(0, 0, 5, 5)]),
        (5, 192, [NARROW, WIDE], [Part(1, 0, 5, 5)]),
        # Both hold it: the smaller of them, or the narrower of equals.
        (5, 160, [NARROW, WIDE], [Part(0, 0, 5, 5)]),
        (5, 160, [WIDE, NARROW], [Part(1, 0, 5, 5)]),
        (4, 96, [NARROW, ALL], [Part(1, 0, 4, 4)]),
        (5, 96, [NARROW, ALL], [Part(0, 0, 5, 5)]),
        (9, 160, [NARROW, WIDE], [Part(0, 0, 9, 9)]),
        # More than any takes: in parts of the most, the rest wherever it fits.
        (20, 320, [WIDE], [Part(0, 0, 8, 8), Part(0, 8, 8, 8), Part(0, 16, 4, 4)]),
        (36, 160, [NARROW, ALL], [Part(0, 0, 32, 32), Part(1, 32, 4, 4)]),
        # Fewer than a profile takes: filled up, as little as possible.
        (3, 96, [profile((8, 8), (96, 96)), profile((4, 64), (32, 640))], [Part(1, 0, 3, 4)]),
        (6, 96, [profile((4, 4), (96, 96))], [Part(0, 0, 4, 4), Part(0, 4, 2, 4)]),
    ],
)
def test_the_smallest_profile_takes_a_batch(
    count: int, width_px: int, profiles: list[Profile], expected: list[Part]
) -> None:
    assert parts_of(count, width_px, profiles, "plan") == expected


@pytest.mark.parametrize("width_px", [31, 200, 641])
def test_a_width_of_no_profile_is_refused(width_px: int) -> None:
    profiles = [profile((1, 8), (256, 640)), NARROW]
    with pytest.raises(EngineError, match=f"{width_px} px: expected 32 to 160 px or 256 to 640 px"):
        parts_of(1, width_px, profiles, "plan")


@pytest.mark.parametrize(
    ("policy", "profiles", "expected"),
    [
        (WidthPolicy(32, 32, 3200), [NARROW, WIDE], WidthPolicy(32, 32, 640)),
        (WidthPolicy(32, 32, 100), [NARROW], WidthPolicy(32, 32, 100)),
        (WidthPolicy(32, 32, 3200), [profile((1, 1), (320, 320))], WidthPolicy(32, 320, 320)),
        (WidthPolicy(8, 8, 3200), [WIDE], WidthPolicy(8, 160, 640)),
    ],
)
def test_widths_stay_within_the_profiles(
    make_spec: Callable[..., RecognizerSpec],
    policy: WidthPolicy,
    profiles: list[Profile],
    expected: WidthPolicy,
) -> None:
    assert limited_spec(make_spec(width=policy), profiles, "plan").width == expected


def test_what_no_spec_fits_is_refused(make_spec: Callable[..., RecognizerSpec]) -> None:
    with pytest.raises(
        ArtifactError, match="none of the model's widths: expected some of 32 to 96"
    ):
        limited_spec(make_spec(width=WidthPolicy(32, 32, 96)), [WIDE], "plan")
    for bad in (
        profile((1, 1), (32, 64), height=48),
        Profile((1, 1, 32, 32), *[(1, 3, 32, 32)] * 2),
    ):
        with pytest.raises(ArtifactError, match="expected C = 3 and H = 32"):
            limited_spec(make_spec(), [NARROW, bad], "plan")
