"""The text that stands in a file becomes the text of a page, where it is all of it."""

from __future__ import annotations

import pytest

from runtime.images.pdf.pages import LayerWord, PdfLook
from runtime.pages.layer import has_text, page_from_layer
from tests.runtime.pages.some_page import quad


def look(*lines: list[LayerWord], **changes: object) -> PdfLook:
    number = sum(len(word.text) for line in lines for word in line)
    facts: dict[str, object] = {
        "width_px": 1000,
        "height_px": 800,
        "px_per_inch": 300.0,
        "matrix": (1, 0, 0, -1, 0, 0),
        "is_scan": False,
        "lines": tuple(map(tuple, lines)),
        "num_characters": number,
        "num_bad": 0,
        "is_hidden": False,
        "has_notes": False,
        "warnings": (),
    }
    return PdfLook(**{**facts, **changes})  # type: ignore[arg-type]


def word(text: str, x: float, y: float, degrees: float = 0.0) -> LayerWord:
    return LayerWord(text, quad(x, y, 20 * len(text), 40, degrees))


@pytest.mark.parametrize(
    ("changes", "is_all"),
    [
        ({"num_characters": 3}, True),
        ({"num_characters": 0}, False),
        ({"num_characters": 50, "is_scan": True}, False),
        ({"num_characters": 500, "is_scan": True}, True),
        ({"num_characters": 500, "is_scan": True, "is_hidden": True}, False),
        ({"num_characters": 500, "is_hidden": True}, True),
        ({"num_characters": 500, "has_notes": True}, False),
        ({"num_characters": 500, "num_bad": 60}, False),
        ({"num_characters": 500, "num_bad": 40}, True),
    ],
)
def test_what_counts_as_all_of_the_text(changes: dict[str, object], is_all: bool) -> None:
    assert has_text(look(**changes)) is is_all


def test_rows_are_read_from_their_left() -> None:
    lines = ([word("right", 500, 100)], [word("left", 100, 105), word("side", 200, 105)])
    page = page_from_layer(look(*lines, [word("below", 100, 200)]), "a.pdf#page=3", 3)
    assert page.text == "left side right\nbelow"
    assert [line.row for line in page.lines] == [0, 0, 1]
    assert (page.source, page.page, page.is_from_file) == ("a.pdf#page=3", 3, True)
    assert page.lines[0].points == ((100, 105), (280, 105), (280, 145), (100, 145))
    assert all(line.confidence == 1.0 and line.score == 1.0 for line in page.lines)
    assert page.columns[0].points == ((100, 100), (600, 100), (600, 240), (100, 240))


@pytest.mark.parametrize("degrees", [0, 90, 180, -90, 7.5])
def test_the_angle_is_that_of_most_text(degrees: float) -> None:
    most = [word("most of the text", 500, 400, degrees)]
    page = page_from_layer(look(most, [word("a stamp", 100, 100, 33)]), None, 1)
    assert page.angle == pytest.approx(180 if degrees == 180 else -degrees, abs=0.1)


def test_text_without_meaning_is_warned_of() -> None:
    page = page_from_layer(look([word("abcd", 0, 0)], num_bad=2), None, 1)
    assert page.warnings == ("the file does not say what 50% of its characters mean",)


def test_a_page_without_text_has_no_columns() -> None:
    page = page_from_layer(look(), None, 1)
    assert page.lines == () and page.columns == () and page.text == "" and page.angle == 0


def test_a_turned_page_is_in_the_order_of_reading() -> None:
    # Text runs up the page; pdfium gives the line at the right first.
    lines = [[word("second", 300, 700, -90)], [word("first", 100, 700, -90)]]
    page = page_from_layer(look(*lines), None, 1)
    assert page.angle == 90 and page.text == "first\nsecond"
