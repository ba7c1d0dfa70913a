"""The page at `/` where pages are read, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.images.pdf import odd_files
from tests.runtime.serve.browsing import CONTRAST, Open, shot, until_status
from tests.runtime.serve.conftest import Served
from tests.runtime.serve.pages.conftest import ServePages, bar_page, tiff_of

READ = re.compile(r"\d lines? · ")
FOCUSED = "document.activeElement.id"


@pytest.fixture
def served(serve_pages: ServePages) -> Served:
    return serve_pages()


def choose(page: Any, folder: Path, **files: bytes) -> None:
    page.wait_for_selector("#modes:visible")
    paths = []
    for name, data in files.items():
        paths.append(folder / name)
        paths[-1].write_bytes(data)
    page.set_input_files("#files", [str(path) for path in paths])


def of_lines(page: Any, number: int) -> None:
    until_status(page, re.compile(rf"^{number} lines? · "))


def test_a_page_is_shown_with_its_outlines_and_its_text(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    choose(page, tmp_path, **{"a.png": bar_page()})
    of_lines(page, 3)
    assert page.locator("[role=option]").count() == page.locator("polygon").count() == 3
    picture = page.locator("#sheet img").bounding_box()
    outline = page.locator("polygon").nth(1).bounding_box()
    scale = picture["width"] / 300
    assert outline["y"] - picture["y"] == pytest.approx(66 * scale, abs=6)
    assert outline["height"] == pytest.approx(54 * scale, abs=6)
    assert page.locator("#paging").is_hidden()


def test_either_side_points_at_the_other(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    choose(page, tmp_path, **{"a.png": bar_page()})
    of_lines(page, 3)
    page.locator("[role=option]").nth(2).hover()
    assert "on" in page.locator("polygon").nth(2).get_attribute("class").split()
    page.locator("polygon").nth(0).hover()
    assert "on" in page.locator("[role=option]").nth(0).get_attribute("class").split()
    assert page.locator("polygon.on").count() == page.locator(".line.on").count() == 1
    assert re.fullmatch(r"[\d.]+ %", page.inner_text("#line-detail"))


def test_it_works_by_keyboard(open_page: Open, tmp_path: Path) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    choose(page, tmp_path, **{"a.tif": tiff_of(3, 1)})
    of_lines(page, 3)
    page.focus("#page-lines")
    for key in ("ArrowDown", "ArrowDown", "End", "ArrowUp"):
        page.keyboard.press(key)
    assert page.get_attribute("#page-lines", "aria-activedescendant") == "line-1"
    assert (
        page.locator("[aria-selected=true]").inner_text() == page.locator(".line.on").inner_text()
    )
    page.keyboard.press("Enter")
    until_status(page, "Copied the line")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#line-1").inner_text().strip()
    page.keyboard.press("PageDown")
    of_lines(page, 1)
    assert page.input_value("#number") == "2" and page.inner_text("#of") == "of 2"
    assert page.evaluate(FOCUSED) == "page-lines"
    assert page.locator("#after").is_disabled()


def test_the_page_is_copied_as_text_or_json(open_page: Open, tmp_path: Path) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    choose(page, tmp_path, **{"a.tif": tiff_of(3)})
    of_lines(page, 3)
    page.click("#copy-text")
    until_status(page, "as text")
    text = page.evaluate("navigator.clipboard.readText()")
    page.click("#copy")
    until_status(page, "as JSON")
    record = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert record["text"] == text.replace("\r", "") and len(record["lines"]) == 3
    assert (
        "picture" not in record and page.locator("#sheet img").get_attribute("src")[:5] == "data:"
    )


def test_unsure_lines_are_flagged_in_words_too(
    open_page: Open,
    served: Served,
    tmp_path: Path,
) -> None:
    served.backend._replica._pages._reader.min_confidence = 0.99
    page = open_page()
    choose(page, tmp_path, **{"a.png": bar_page()})
    until_status(page, "3 lines · 2 unsure")
    assert page.locator("polygon.unsure").count() == page.locator(".line.unsure").count() == 2
    assert "doubt" in page.locator(".flag").nth(0).get_attribute("aria-label")


def test_a_pdf_is_paged_through(open_page: Open, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    page = open_page()
    data = odd_files.pages(odd_files.TEXT, odd_files.TEXT.replace("Hello", "Second"))
    choose(page, tmp_path, **{"a.pdf": data, "b.png": bar_page(2)})
    until_status(page, "text from the file")
    assert page.inner_text("[role=option]") == "Hello wide World"
    page.locator("#sheet img").wait_for()
    page.click("#after")
    page.locator("[role=option]", has_text="Second").wait_for()
    page.click("#after")
    of_lines(page, 2)
    assert page.input_value("#file") == "1"
    page.select_option("#file", "0")
    page.locator("[role=option]", has_text="Hello").wait_for()
    page.click("#clear")
    assert page.locator("#pages").is_hidden() and page.evaluate(FOCUSED) == "files"


def test_what_cannot_be_read_says_why(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    choose(page, tmp_path, **{"<b>a.png": b"no image"})
    until_status(page, "could not be read")
    assert "not an image" in page.inner_text("#page-error")
    assert page.locator("#copy").is_disabled()
    choose(page, tmp_path, **{"b.png": bar_page(1)})
    of_lines(page, 1)
    assert page.locator("#page-error").is_hidden()


def test_lines_are_read_where_that_is_chosen(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    page.wait_for_selector("#modes:visible")
    page.check("input[value=lines]")
    choose(page, tmp_path, **{"a.png": bar_page(1)})
    until_status(page, "1 of 1 image read")
    assert page.locator(".card").count() == 1 and page.locator("#pages").is_hidden()
    page.check("input[value=pages]")
    assert page.locator("#results").is_hidden() and page.locator("#copy").is_disabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_narrow_and_wide_light_and_dark(
    open_page: Open,
    served: Served,
    tmp_path: Path,
    scheme: str,
    width: int,
) -> None:
    served.backend._replica._pages._reader.min_confidence = 0.99
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    name = "scan_of_a_very_long_name_that_does_not_break_anywhere_0001_of_9999.png"
    choose(page, tmp_path, **{name: bar_page(), "b.png": b"no image"})
    of_lines(page, 3)
    page.locator("[role=option]").nth(1).hover()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ratio = page.evaluate(CONTRAST)
    assert ratio >= 4.5, f"the least contrast of a text is {ratio:.2f}"
    shot(page, f"pages_{scheme}_{width}")
    page.click("#after")
    page.wait_for_selector("#page-error:visible")
    assert page.evaluate(CONTRAST) >= 4.5
    unnamed = page.eval_on_selector_all(
        "button, input, select, img, [role=listbox]",
        "all => all.filter(one => !(one.labels && one.labels.length) && !one.ariaLabel"
        " && !one.textContent.trim() && !one.alt).length",
    )
    assert unnamed == 0
