"""Characters of one dictionary and their counterparts in another."""

from __future__ import annotations

import pytest

from runtime.recognition.charset import Charset
from training.recognition.teacher.counterparts import Counterparts, look_alikes


def counterparts(own: str, shared: str, lowers: bool = False) -> Counterparts:
    return Counterparts(Charset(tuple(own)), Charset(tuple(shared), lowers=lowers))


def test_equal_characters_are_each_others() -> None:
    found = counterparts("abc", "cxa")
    assert found.table.tolist() == [0, 3, 4, 1]  # blank, a, b behind the run's, c
    assert found.characters == ("c", "x", "a", "b")
    assert (found.num_same, found.alike, found.absent) == (2, {}, ("b",))
    assert found.unread == ("x",)
    assert found.text_of([1, 4, 3]) == "cba"


@pytest.mark.parametrize(
    ("own", "shared"),
    [
        ("\uff21", "A"),
        ("\uff05", "%"),
        ("\u3000", " "),
        ("\u00a0", " "),
        ("\u201d", '"'),
        ("\uff02", '"'),
        ("\u2019", "'"),
        ("\u2014", "-"),
        ("-", "\u2013"),
        ("\u30fb", "\u00b7"),
        ("\u2022", "\u00b7"),
        ("\u0410", "A"),
        ("\u03bf", "o"),
        ("\u0443", "y"),
        ("\u2160", "I"),
        ("\u212a", "K"),
        ("\u212b", "\u00c5"),
        ("\u00b5", "\u03bc"),
        ("\uff5e", "~"),
        ("\uff65", "\u00b7"),
        ("A", "\uff21"),
        ("\u2026", "\u22ef"),
    ],
)
def test_look_alikes(own: str, shared: str) -> None:
    found = counterparts(own, shared)
    assert found.alike == {own: shared}
    assert found.table.tolist() == [0, 1]
    assert found.unread == ()


@pytest.mark.parametrize(
    ("own", "shared"),
    [("\u00b2", "2"), ("\u2460", "1"), ("\u00bd", "1"), ("\u0436", "x"), ("l", "1"), ("O", "0")],
)
def test_what_only_means_the_same_or_nearly_looks_alike_is_apart(own: str, shared: str) -> None:
    assert counterparts(own, shared).absent == (own,)


def test_a_letter_of_another_alphabet_is_itself_where_there_is_one() -> None:
    found = counterparts("\u0410A", "A\u0410")
    assert found.table.tolist() == [0, 2, 1]
    assert found.alike == {}


def test_without_a_dictionary_letters_are_lower_case() -> None:
    found = counterparts("Aa\uff22\u0412-", "ab", lowers=True)
    assert found.table.tolist() == [0, 1, 1, 2, 2, 3]
    assert found.absent == ("-",)


def test_no_character_is_its_own_look_alike() -> None:
    for number in (*range(0x20, 0x250), *range(0x370, 0x530), *range(0x2000, 0x2070), 0xFF21):
        character = chr(number)
        assert character not in list(look_alikes(character))


def test_an_entry_of_several_code_points_has_itself_alone() -> None:
    found = Counterparts(Charset(("fi", "e\u0301")), Charset(("fi", "e")))
    assert found.table.tolist() == [0, 1, 3]
