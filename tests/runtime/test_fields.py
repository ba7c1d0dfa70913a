from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from runtime.errors import ArtifactError
from runtime.fields import (
    Field,
    check_fields,
    choice,
    mapping,
    matching,
    number,
    optional,
    sha256,
    shown,
    text,
    whole,
)
from tests.fakes.anything import ANYTHING, RELAXED

FIELDS = (
    *(whole(1, 9), number(-1, 1), choice("a", 1), text(1, 3), matching("[a-z]+", "letters")),
    *(sha256(), sha256(or_empty=True), optional(text()), mapping()),
)


@given(ANYTHING)
@RELAXED
def test_every_value_is_accepted_or_refused_in_one_short_line(value: Any) -> None:
    for field in FIELDS:
        try:
            check_fields({"f": value}, {"f": field}, "m.onnx", "export again")
        except ArtifactError as error:
            assert str(error).startswith("m.onnx: f: expected ")
            assert str(error).endswith("; export again")
            assert "\n" not in str(error) and len(str(error)) < 300
            str(error).encode()


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (whole(1, 9), [1, 9], [0, 10, 1.0, True, "1", None, 10**400]),
        (number(-1, 1), [0, 0.5, -1], [float("nan"), float("inf"), 2, True, "0", 10**400]),
        (choice(False, True), [False, True], [0, 1, "true", None]),
        (choice("a", 3), ["a", 3], [["a"], 3.0, True]),
        (text(1, 3), ["a", "abc"], ["", "abcd", "\ud800", b"a", 1]),
        (matching("[a-z]+", "letters", 4), ["ab"], ["", "ab\n", "A", "abcde", 1]),
        (sha256(), ["0" * 64], ["", "0" * 63, "G" * 64, "0" * 64 + "\n", None]),
        (sha256(or_empty=True), ["", "a" * 64], ["a", None]),
        (optional(whole(1, 9)), [None, 3], [0, ""]),
        (mapping(), [{}, {"a": 1}], [[], None, {1: 2}]),
    ],
)
def test_what_each_kind_of_field_accepts(field: Field, good: list[Any], bad: list[Any]) -> None:
    assert [field.accepts(value) for value in good] == [True] * len(good)
    assert [field.accepts(value) for value in bad] == [False] * len(bad)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ArtifactError, match=r"m: height: expected a whole number .*, got none; r"):
        check_fields({}, {"height": whole(1, 9)}, "m", "r")


def test_what_is_shown_is_short_and_printable() -> None:
    for value in (10**5000, "\ud800" * 500, ["x" * 500] * 500, {str(n): {} for n in range(500)}):
        words = shown(value)
        assert len(words) <= 81 and words.encode()
