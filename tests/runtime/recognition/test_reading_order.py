"""Right-to-left lines come out in the order they are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.recognition.reading_order import in_reading_order, reading_order
from runtime.recognition.result import Recognition

SHALOM, OLAM = "שלום", "עולם"
SALAM = "سلام"


def as_read(on_paper: str) -> str:
    return "".join(on_paper[position] for position in reading_order(on_paper))


@pytest.mark.parametrize(
    ("on_paper", "read"),
    [
        ("plain text 12", "plain text 12"),
        ("日本語", "日本語"),
        ("", ""),
        ("12.50", "12.50"),
        (SHALOM[::-1], SHALOM),
        (SALAM[::-1], SALAM),
        (f"{OLAM[::-1]} {SHALOM[::-1]}", f"{SHALOM} {OLAM}"),
        # Latin words and numbers keep their order, spaces go where they stand.
        (f"iPhone 12 Pro {SALAM[::-1]}", f"{SALAM} iPhone 12 Pro"),
        (f"{OLAM[::-1]} 12.50 {SHALOM[::-1]}", f"{SHALOM} 12.50 {OLAM}"),
        (f"50% {SHALOM[::-1]}", f"{SHALOM} 50%"),
        (f"$50 {SHALOM[::-1]}", f"{SHALOM} $50"),
        (f"٣٤ {SALAM[::-1]}", f"{SALAM} ٣٤"),
        (f"!{SHALOM[::-1]}", f"{SHALOM}!"),
        # The digits of one line, the brackets as they were emitted.
        ("12/03/2024", "12/03/2024"),
        (f"12/03/2024 :{SALAM[::-1]}", f"{SALAM}: 12/03/2024"),
        # A left-to-right line that quotes.
        (f"say {SHALOM[::-1]} now", f"say {SHALOM} now"),
        (f"say {OLAM[::-1]} 12 {SHALOM[::-1]}, now", f"say {SHALOM} 12 {OLAM}, now"),
        (f"a {SHALOM[::-1]} b {OLAM[::-1]} c", f"a {SHALOM} b {OLAM} c"),
    ],
)
def test_lines(on_paper: str, read: str) -> None:
    assert as_read(on_paper) == read


def test_a_vowel_sign_stays_behind_its_letter() -> None:
    word = "שָׁלוֹם"
    assert as_read(word[::-1]) == word
    assert as_read(f"say {word[::-1]} now") == f"say {word} now"


@given(st.text(st.sampled_from("ab12 .,%-()" + SHALOM + SALAM + "٣ָ日")))
def test_every_character_is_read_once(on_paper: str) -> None:
    assert sorted(reading_order(on_paper)) == list(range(len(on_paper)))


@given(st.text(st.sampled_from("ab12 .,%-()日")))
def test_left_to_right_lines_are_left_alone(on_paper: str) -> None:
    assert as_read(on_paper) == on_paper


def test_everything_about_a_character_moves_with_it() -> None:
    on_paper = f"A1 {SHALOM[::-1]}"
    line = Recognition(
        text=on_paper,
        confidence=0.5,
        characters=tuple(on_paper),
        character_confidences=tuple(index / 10 for index in range(7)),
        time_steps=tuple(range(0, 14, 2)),
        last_time_steps=tuple(range(1, 15, 2)),
    )
    read = in_reading_order(line)
    assert read.text == f"{SHALOM} A1" == "".join(read.characters)
    assert read.time_steps == (12, 10, 8, 6, 4, 0, 2)
    assert read.last_time_steps == (13, 11, 9, 7, 5, 1, 3)
    assert read.character_confidences == (0.6, 0.5, 0.4, 0.3, 0.2, 0.0, 0.1)
    assert read.confidence == 0.5


def test_other_lines_are_the_same_object() -> None:
    line = Recognition(text="abc 日本", confidence=0.5)
    assert in_reading_order(line) is line
