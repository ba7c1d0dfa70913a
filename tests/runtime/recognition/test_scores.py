"""The distance is the least number of changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.recognition.edit_distance import edit_distance

TEXTS = st.text(st.sampled_from("ab é日"), max_size=12)


def by_the_book(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for index, left in enumerate(one, 1):
        before, row[0] = row[0], index
        for column, right in enumerate(other, 1):
            replaced = before + (left != right)
            before = row[column]
            row[column] = min(replaced, row[column] + 1, row[column - 1] + 1)
    return row[-1]


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("a" * 200, "b", 200)],
)
def test_known_distances(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == distance


@given(TEXTS, TEXTS)
def test_it_is_the_distance_of_the_book(one: str, other: str) -> None:
    assert edit_distance(one, other) == by_the_book(one, other)
