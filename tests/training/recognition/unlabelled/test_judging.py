"""Which lines are kept, with which text, and why the others are not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from runtime.recognition.charset import Charset
from tests.training.recognition.teacher.lines import CHARACTERS, line
from training.recognition.teacher.reading import LineReading, reading_of
from training.recognition.unlabelled.judging import (
    DISAGREE,
    EMPTY,
    LACKS_SPACE,
    LONG,
    OUTSIDE,
    UNSURE,
    Demands,
    Judge,
    Spaces,
    recognition_of,
)

IMAGE = np.zeros((32, 64, 3), np.uint8)
AB, AC = line({1: 0.99}, {}, {2: 0.97}), line({1: 0.99}, {}, {3: 0.97})
DOUBTED = line({1: 0.99}, {}, {2: 0.6})


def judge_of(*readings: LineReading, longest: int = 9, **demands: Any) -> Judge:
    """A judge whose teacher reads these in the views of a line, in this order."""
    left = list(readings)
    teacher: Any = SimpleNamespace(
        read=lambda views: [left.pop(0) for _ in views],
        charset=Charset(("a", "b", "c")),
        counterparts=SimpleNamespace(characters=CHARACTERS),
    )
    return Judge(teacher, longest, Demands(**demands))


def test_a_line_that_all_views_read_alike_is_kept() -> None:
    verdict = judge_of(AB, AB, AB)(IMAGE)
    assert (verdict.text, verdict.reason) == ("ab", None)
    assert verdict.confidence == pytest.approx(0.98, abs=1e-3)


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        ((line({}, {}),), EMPTY),
        ((line({1: 0.9}, {}, {5: 0.9}),), OUTSIDE),
        ((DOUBTED,), UNSURE),
        ((AB, AC), DISAGREE),
        ((AB, AB, AC), DISAGREE),
        ((AB, AB, DOUBTED), UNSURE),
    ],
    ids=["empty", "outside", "unsure", "second view", "third view", "unsure in the third"],
)
def test_others_are_dropped_as_early_as_that_is_known(
    readings: tuple[LineReading, ...], reason: str
) -> None:
    verdict = judge_of(*readings)(IMAGE)  # asks no view more, or there would be an IndexError
    assert verdict.reason == reason


def test_characters_outside_the_dictionary_are_named() -> None:
    assert judge_of(line({4: 0.9}, {}, {5: 0.9}, {}, {4: 0.9}))(IMAGE).outside == "de"


def test_a_text_that_is_too_long_is_dropped() -> None:
    assert judge_of(AB, AB, AB, longest=1)(IMAGE).reason == LONG


def test_thresholds_are_options() -> None:
    assert judge_of(DOUBTED, views=1, least_confidence=0.7)(IMAGE).reason is None
    assert [key for key, _ in Demands.problems_of({"views": 4, "least_confidence": 2})] == [
        "views",
        "least_confidence",
    ]
    (problem,) = Demands.problems_of({"spaces": "some"})
    assert "expected one of teacher, gaps, drop" in problem[1]


SPACED = (*"helowrd", " ")


def written(text: str, gap_px: int) -> tuple[np.ndarray, LineReading]:
    """Bars for the letters of two words, a gap between them, and a reading without its space."""
    image = np.full((32, 22 * len(text) + gap_px + 20, 3), 255, np.uint8)
    rows = np.zeros((image.shape[1] // 4, len(SPACED) + 1), np.float32)
    rows[:, 0] = 1
    left = 10
    for character in text:
        if character == " ":
            left += gap_px
            continue
        cv2.rectangle(image, (left, 6), (left + 14, 26), (0, 0, 0), -1)
        step = (left + 7) // 4
        rows[step, 0], rows[step, 1 + SPACED.index(character)] = 0.01, 0.99
        left += 20
    return image, reading_of(rows, np.arange(len(SPACED) + 1), SPACED, len(rows))


@pytest.mark.parametrize(
    ("spaces", "text", "reason"),
    [("teacher", "helloworld", None), ("gaps", "hello world", None)],
)
def test_spaces_are_whose_one_wants(spaces: Spaces, text: str, reason: str | None) -> None:
    image, reading = written("hello world", 24)
    judge = judge_of(reading, longest=20, views=1, spaces=spaces)
    judge.teacher.charset = Charset(SPACED)  # type: ignore[misc]
    judge.teacher.counterparts.characters = SPACED
    verdict = judge(image)
    assert (verdict.text, verdict.reason) == (text, reason)


def test_a_line_that_lacks_a_space_can_be_dropped() -> None:
    for gap_px, reason in ((24, LACKS_SPACE), (0, None)):
        image, reading = written("hello world", gap_px)
        judge = judge_of(reading, longest=20, views=1, spaces="drop")
        judge.teacher.charset = Charset(SPACED)  # type: ignore[misc]
        judge.teacher.counterparts.characters = SPACED
        assert judge(image).reason == reason


@pytest.mark.parametrize(("spaces", "reason"), [("gaps", None), ("teacher", DISAGREE)])
def test_views_may_differ_in_spaces_that_are_not_the_teachers(
    spaces: Spaces, reason: str | None
) -> None:
    joined, apart = (
        reading_of(rows, np.arange(4), ("a", "b", " "), 3)
        for rows in (np.eye(4, dtype=np.float32)[[1, 0, 2]], np.eye(4, dtype=np.float32)[[1, 3, 2]])
    )
    judge = judge_of(joined, apart, views=2, spaces=spaces)
    judge.teacher.charset = Charset(("a", "b", " "))  # type: ignore[misc]
    judge.teacher.counterparts.characters = ("a", "b", " ", "d", "e")
    assert judge(IMAGE).reason == reason


def test_a_recognition_has_the_steps_of_the_best_path() -> None:
    found = recognition_of(line({}, {1: 0.9}, {1: 0.8}, {2: 0.9}, {}, line_steps=2.5), CHARACTERS)
    assert (found.text, found.time_steps, found.last_time_steps) == ("ab", (1, 3), (2, 3))
    assert found.input_width_px / found.content_width_px == pytest.approx(5 / 2.5)
