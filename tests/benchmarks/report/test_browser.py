"""The page in a real browser: nothing sticks out, nothing is missing, nothing complains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.__main__ import main

SECTIONS = [
    *("accuracy", "throughput", "latency", "training", "something_new", "failures", "how"),
]
WIDE, NARROW = 1400, 360


@pytest.fixture
def page_file(results: Path, tmp_path: Path) -> Path:
    page = tmp_path / "page.html"
    main([str(results), "--output", str(page)])
    return page


def opened(browser: Any, file: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
    """The page, and all that it complains of or asks the network for."""
    viewport = {"width": width, "height": 900}
    page = browser.new_context(viewport=viewport, color_scheme=scheme).new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("requestfailed", lambda request: heard.append(request.url))
    page.on(
        "request",
        lambda one: None if one.url.startswith(("file:", "data:")) else heard.append(one.url),
    )
    page.goto(file.as_uri())
    return page, heard


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, 768, WIDE])
def test_the_page_fits_and_is_whole(browser: Any, page_file: Path, width: int, scheme: str) -> None:
    page, heard = opened(browser, page_file, width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.querySelectorAll('section')].map(s => s.id)") == SECTIONS
    images = page.evaluate(
        "[...document.images].map(one => one.complete && one.naturalWidth > 0 && !!one.alt)"
    )
    assert images == [True]
    drawn = page.evaluate(
        "[...document.querySelectorAll('svg')].map(one => one.getBoundingClientRect().width)"
    )
    assert len(drawn) == 2 and all(200 < width_px <= width for width_px in drawn)
    assert heard == []


def test_every_link_leads_somewhere_on_the_page(browser: Any, page_file: Path) -> None:
    page, _ = opened(browser, page_file, WIDE, "light")
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    assert len(links) > 100  # every number is one
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_every_figure_of_a_table_leads_to_its_command(browser: Any, page_file: Path) -> None:
    page, _ = opened(browser, page_file, WIDE, "light")
    bare = page.evaluate(
        "[...document.querySelectorAll('section:not(#how) td')]"
        ".filter(td => /[.]\\d/.test(td.textContent) && !td.querySelector('a[href^=\"#run-\"]'))"
        ".map(td => td.textContent)"
    )
    assert bare == []


def test_the_keyboard_reaches_the_figures(browser: Any, page_file: Path) -> None:
    page, _ = opened(browser, page_file, NARROW, "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the figures"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.className || 'link'"))
    assert "scroll" in reached
    assert "n" not in reached  # hundreds of numbers are no tab stops; their tables have one
    wide = "[...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth)"
    assert page.evaluate(f"{wide}.length") > 0
    assert page.evaluate(f"{wide}.every(s => s.tabIndex === 0 && !!s.ariaLabel)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Any, page_file: Path, scheme: str) -> None:
    page, _ = opened(browser, page_file, WIDE, scheme)
    ratios = page.evaluate(
        """() => {
        const parts = colour => {
          const canvas = new OffscreenCanvas(1, 1).getContext('2d');
          canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
          return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
        };
        const light = colour => parts(colour).map(c => c / 255)
          .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
          .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const ground = one => {
          for (; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if (colour !== 'rgba(0, 0, 0, 0)') return colour;
          }
        };
        const kinds = 'p, td, th, a, dt, dd, li, small, ins, del, figcaption';
        return [...document.querySelectorAll(kinds)]
          .filter(one => one.innerText && one.getBoundingClientRect().width)
          .map(one => ratio(light(getComputedStyle(one).color), light(ground(one))));
        }"""
    )
    assert len(ratios) > 200
    assert min(ratios) >= 4.5
