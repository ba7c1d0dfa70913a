"""Counts worked out by hand; the distance is the least number of changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.recognition.scores import TextScores, are_capitals, edit_distance

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


def test_texts_are_counted_one_after_the_other() -> None:
    scores = TextScores()
    scores.add("helloworld", "Hello World")  # two cases and a space
    scores.add("12345", "12345")
    scores.add("", "abcd")  # not read
    assert (scores.num_read, scores.num_exact, scores.num_alike) == (3, 1, 2)
    assert (scores.num_edits, scores.num_characters) == (3 + 0 + 4, 11 + 5 + 4)
    assert scores.accuracy == 1 / 3
    assert scores.character_error_rate == 7 / 20
    assert scores.summary() == (
        "read exactly: 1 of 3 labelled images (33.3 %); ignoring case and spaces: 2 (66.7 %); "
        "character error rate: 35.00 %"
    )


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(["TOTAL", "1.20", "ÄÖ"], True), (["TOTAL", "Tax"], False), (["ß"], False), ([], True)],
)
def test_labels_without_a_small_letter_are_capitals(labels: list[str], expected: bool) -> None:
    assert are_capitals(labels) is expected


def test_without_texts_nothing_is_wrong() -> None:
    assert (TextScores().accuracy, TextScores().character_error_rate) == (0, 0)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("a" * 200, "b", 200)],
)
def test_known_distances(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == distance


@given(TEXTS, TEXTS)
def test_it_is_the_distance_of_the_book(one: str, other: str) -> None:
    assert edit_distance(one, other) == by_the_book(one, other)
