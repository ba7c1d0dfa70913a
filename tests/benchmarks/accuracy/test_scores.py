"""Scores against cases worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.accuracy.scores import (
    Reading,
    calibration_of,
    scores_of,
    wilson_interval,
    worst,
)


def reading(label: str, text: str, confidence: float = 0.5, error: str | None = None) -> Reading:
    return Reading("a.png", label, text, confidence, error)


def test_each_score_forgives_more_than_the_one_before() -> None:
    scores = scores_of(
        [
            reading("Straße 5", "Straße 5"),
            reading("Total", "TOTAL"),
            reading("a-b c", "ABC"),
            reading("12,50", "12.50"),
            reading("xyz", "xya"),
            reading("abcd", "", error="damaged"),
        ]
    )
    assert (scores.num_read, scores.unread) == (6, 1)
    assert (scores.num_exact, scores.any_case, scores.letters_and_digits) == (1, 2, 4)
    # 0 + 4 capitals + (3 replaced, 2 left out) + 1 + 1 + 4 of 30 characters
    assert scores.character_error_rate == pytest.approx((0 + 4 + 5 + 1 + 1 + 4) / 30)
    assert scores.as_json() == {
        **{"lines": 6, "exact": 1, "any_case": 2, "letters_and_digits": 4, "unread": 1},
        "character_errors": scores.character_error_rate,
        "exact_interval": list(wilson_interval(1, 6)),
    }


def test_no_lines_have_no_errors() -> None:
    assert scores_of([]).character_error_rate == 0
    assert wilson_interval(0, 0) == (0, 1)


@pytest.mark.parametrize(
    ("right", "number", "expected"),
    [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (81, 263, (0.2553, 0.3662))],
)
def test_the_interval_is_wilsons(right: int, number: int, expected: tuple[float, float]) -> None:
    assert wilson_interval(right, number) == pytest.approx(expected, abs=1e-4)


def test_calibration_by_hand() -> None:
    readings = [
        *[reading("a", "a", 0.95)] * 3,
        reading("a", "b", 0.95),
        *[reading("a", "b", 0.1)] * 2,
        reading("a", "", 0.0, "damaged"),
    ]
    calibration = calibration_of(readings)
    assert [bin_.lines for bin_ in calibration.bins] == [3, 0, 0, 0, 0, 0, 0, 0, 0, 4]
    assert calibration.bins[9].exact == 0.75
    low = abs((0.1 + 0.1 + 0) / 3 - 0)
    assert calibration.expected_error == pytest.approx((3 * low + 4 * abs(0.95 - 0.75)) / 7)


def test_a_perfect_confidence_has_no_error() -> None:
    assert calibration_of([reading("a", "a", 1.0)] * 5).expected_error == 0
    assert calibration_of([]).expected_error == 0


def test_how_many_lines_can_be_taken_with_nine_of_ten_right() -> None:
    right = [reading("a", "a", 0.9 - index / 100) for index in range(9)]
    wrong = [reading("a", "b", 0.5 - index / 100) for index in range(10)]
    assert calibration_of([*right, *wrong]).at_90_percent == pytest.approx(10 / 19)
    assert calibration_of(wrong).at_90_percent == 0


def test_the_worst_lines_come_first() -> None:
    some = reading("abcd", "abxy", 0.9)
    all_wrong, sure = reading("ab", "xy", 0.2), reading("ab", "zz", 0.8)
    assert worst([some, reading("a", "a"), all_wrong, sure], 3) == [sure, all_wrong, some]
    assert worst([some, sure], 1) == [sure]
