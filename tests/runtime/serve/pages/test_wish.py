from __future__ import annotations

import pytest

from runtime.serve.bounds.refusal import Refusal
from runtime.serve.pages.wish import PageWish, options_of, wish_of


def test_nothing_said_is_everything_as_json() -> None:
    assert wish_of({}) == PageWish("json", None, None, "auto", False)
    assert list(PageWish().chosen(3)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("2", [2]),
        ("1-3", [1, 2, 3]),
        ("4-", [4, 5]),
        ("5,1-2,2", [1, 2, 5]),
        ("3-100", [3, 4, 5]),
        ("6-9", []),
        ("9999999", []),
    ],
)
def test_pages_are_chosen_in_their_order(text: str, chosen: list[int]) -> None:
    assert list(wish_of({"pages": text}).chosen(5)) == chosen


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("pages", text) for text in ("", "0", "-1", "3-1", "1-2-3", "a", "1,,2", "²", "1" * 9)],
        ("pages", ",".join(["1"] * 500)),
        *[("min_confidence", text) for text in ("-0.1", "1.1", "nan", "x", "")],
        ("format", "pdf"),
        ("pdf", "all"),
        ("picture", "yes"),
        ("page", "1"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(name: str, value: str) -> None:
    with pytest.raises(Refusal, match="expected") as refused:
        wish_of({name: value})
    assert refused.value.status == 400 and len(str(refused.value)) < 200


def test_a_picture_is_a_part_of_records_alone() -> None:
    assert wish_of({"picture": "1"}).has_picture
    with pytest.raises(Refusal, match="format=json"):
        wish_of({"picture": "1", "format": "text"})


@pytest.mark.parametrize(("name", "form"), [("jsonl", "json"), ("text", "txt"), ("txt", "txt")])
def test_formats_have_the_names_of_the_command_line_too(name: str, form: str) -> None:
    assert wish_of({"format": name}).form == form


def test_an_option_that_is_given_twice_is_refused() -> None:
    assert options_of([("format", "alto"), ("pages", "2")]) == {"format": "alto", "pages": "2"}
    with pytest.raises(
        Refusal, match="format is given more than once, 'alto' and 'txt'"
    ) as refused:
        options_of([("format", "alto"), ("format", "txt")])
    assert refused.value.status == 400


def test_how_much_a_record_holds_is_about_records_alone() -> None:
    assert wish_of({"detail": "lines"}).detail == "lines"
    with pytest.raises(Refusal, match="format=json"):
        wish_of({"detail": "text", "format": "alto"})
