"""Which way text runs: from boxes, and from what is read both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from runtime.pages.orientation import (
    in_reading_order,
    is_along,
    is_sideways,
    is_upside_down,
    reads_better,
    skew,
    trial_order,
    upside_down,
)
from runtime.recognition.result import Recognition


def line(width: float, height: float, degrees: float = 0.0, first: int = 0) -> Any:
    """Return the corners of a line around (500, 500), beginning with any of them."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    radians = np.radians(degrees)
    turn = np.array([(np.cos(radians), np.sin(radians)), (-np.sin(radians), np.cos(radians))])
    return np.roll(corners @ turn + 500, -first, axis=0)


LINES = [(300, 20), (200, 22), (150, 20), (20, 18)]


@pytest.mark.parametrize("degrees", [-40, -15, 0, 3, 15, 40])
@pytest.mark.parametrize("direction", [0.0, 90.0, 180.0, -90.0])
def test_skew_is_that_of_the_long_lines(degrees: float, direction: float) -> None:
    lines = [line(*sides, direction + degrees, first) for first, sides in enumerate(LINES)]
    assert skew(lines, direction) == pytest.approx(degrees)
    assert is_sideways(lines) == (direction in (90, -90))


def test_nothing_leans_where_nothing_is() -> None:
    assert skew([], 0) == 0 and not is_sideways([])
    assert skew([line(20, 18, 30)], 0) == 0


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("direction", [-170, -90, -12, 0, 15, 90, 180])
def test_a_line_begins_where_the_page_says(direction: float, first: int) -> None:
    ordered = in_reading_order(line(100, 20, direction, first), direction, 20)
    assert np.allclose(ordered, line(100, 20, direction))
    assert is_along(ordered, direction) and not is_along(upside_down(ordered), direction)


@pytest.mark.parametrize("first", range(4))
def test_a_tall_line_runs_down_and_a_tall_character_does_not(first: int) -> None:
    ordered = in_reading_order(line(20, 100, 0, first), 0, 20)
    assert np.allclose(ordered, line(100, 20, 90)) and not is_along(ordered, 0)
    assert np.allclose(in_reading_order(line(16, 30, 0, first), 0, 20), line(16, 30))


def read(text: str, confidence: float) -> Recognition:
    return Recognition(text, confidence)


def decide(readings: Sequence[tuple[Recognition, Recognition]]) -> tuple[bool, int]:
    """Return the decision and how many lines were read."""
    asked = []

    def reading(place: int, is_turned: bool) -> Recognition:
        asked.append(place)
        return readings[place][is_turned]

    return is_upside_down(range(len(readings)), reading), len(asked)


def test_a_sure_line_is_read_once() -> None:
    assert decide([(read("Invoice 12", 0.98), read("", 0))]) == (False, 1)


def test_a_page_upside_down_costs_a_line() -> None:
    assert decide([(read("ozi ecniovn", 0.7), read("Invoice 120", 0.97))] * 5) == (True, 2)


def test_short_lines_decide_together() -> None:
    lines = [(read("SIS", 0.99), read("SIS", 0.98)), (read("l", 0.4), read("Total", 0.99))]
    assert decide(lines) == (True, 4)
    assert decide([(read("5", 0.5), read("5", 0.5))]) == (False, 2)
    assert decide([(read("unknown", 0.5), read("uwoukun", 0.54))] * 5) == (False, 10)
    assert decide([]) == (False, 0)


def test_a_single_character_is_never_turned() -> None:
    assert not reads_better(read("9", 0.99), read("6", 0.3))
    assert reads_better(read("Total", 0.99), read("le+o", 0.3))
    assert not reads_better(read("Total", 0.75), read("le+o", 0.7))


def test_lines_of_usual_shape_are_tried_first() -> None:
    lines = [line(20, 20), line(160, 20), line(2000, 20), line(160, 20)]
    assert trial_order(lines, [0.9, 0.8, 0.9, 0.9])[:2] == [3, 1]
