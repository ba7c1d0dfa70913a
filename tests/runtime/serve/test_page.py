"""The page at `/` where lines are read, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runtime.serve.page import page_and_policy
from tests.runtime.serve.browsing import CONTRAST, Open, shot, until_status
from tests.runtime.serve.conftest import Serve

READ = re.compile("images? read")


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text, policy = page_and_policy()
    addresses = re.findall(r"""(?:src|href|url|import)\s*[=(]\s*["']?([^"'\s)>]+)""", text)
    assert [address for address in addresses if address.startswith(("http", "//", "/"))] == []
    assert "default-src 'none'" in policy and "unsafe" not in policy


@pytest.fixture
def files(tmp_path: Path, line_files: list[bytes]) -> list[Path]:
    paths = []
    for place, data in enumerate(line_files[:10]):
        paths.append(tmp_path / f"line {place}.png")
        paths[-1].write_bytes(data)
    return paths


def choose(page: Any, paths: list[Path]) -> None:
    page.set_input_files("#files", [str(path) for path in paths])
    until_status(page, READ)


def test_images_are_read_and_shown(
    open_page: Open, files: list[Path], expected_texts: list[str]
) -> None:
    page = open_page()
    choose(page, files)
    read = page.eval_on_selector_all(
        ".card", "cards => cards.map(one => one.querySelector('.text').textContent)"
    )
    wanted = [text or "nothing was read" for text in expected_texts[:10]]
    assert read == wanted
    assert page.inner_text("#status") == "10 of 10 images read"
    assert re.search(r"[\d.]+ % · \d+ ms", page.inner_text(".figures"))
    assert "toy · 15 characters" in page.inner_text("#model")
    widths = page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
    assert all(widths)


def test_each_character_tells_its_confidence_by_mouse_and_by_keyboard(
    open_page: Open, files: list[Path], expected_texts: list[str]
) -> None:
    page = open_page()
    choose(page, files[2:3])
    marks = page.locator(".mark")
    assert marks.count() == len(expected_texts[2]) > 3
    marks.nth(1).hover()
    assert re.fullmatch(r"“.+” [\d.]+ %", page.inner_text(".detail"))
    box = page.locator("figure i").bounding_box()
    image = page.locator("figure img").bounding_box()
    assert image["x"] - 2 <= box["x"] <= box["x"] + box["width"] <= image["x"] + image["width"] + 2
    marks.nth(0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith(expected_texts[2][2].replace(" ", "space"))
    page.keyboard.press("End")
    assert page.evaluate(focused).startswith(expected_texts[2][-1].replace(" ", "space"))


def test_it_works_by_keyboard_alone(open_page: Open, files: list[Path]) -> None:
    page = open_page()
    # Asked for before a round trip to the browser: the key may overtake what is asked for with it.
    page.on("filechooser", lambda chooser: chooser.set_files(str(files[0])))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    page.keyboard.press("Enter")
    until_status(page, READ)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "copy"
    page.keyboard.press("Enter")
    until_status(page, "Copied")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card", state="detached")


def test_dropped_and_pasted_images_are_read(open_page: Open, line_files: list[bytes]) -> None:
    page = open_page()
    for place, kind in enumerate(("drop", "paste")):
        page.evaluate(
            """([bytes, kind]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], `${kind}.png`));
                const event = kind === "drop"
                    ? new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true })
                    : new ClipboardEvent(kind, { clipboardData: data, bubbles: true });
                document.body.dispatchEvent(event);
            }""",
            [list(line_files[place]), kind],
        )
        page.locator(".text").nth(place).wait_for()
    assert page.locator(".name").all_inner_texts() == ["drop.png", "paste.png"]


def test_what_is_copied_is_what_the_service_said(
    open_page: Open, files: list[Path], expected_texts: list[str]
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    choose(page, files[:3])
    page.click("#copy")
    until_status(page, "Copied")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert [result["text"] for result in copied] == expected_texts[:3]
    assert copied[0]["characters"][0]["box"]


def test_what_cannot_be_read_says_why(open_page: Open, files: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "<img src=x onerror=alert(1)>.png"
    bad.write_bytes(b"this is not an image")
    page = open_page()
    choose(page, [bad, files[0]])
    assert page.inner_text("#status") == "1 of 2 images read, 1 could not be read"
    assert "not an image" in page.inner_text(".error")
    assert page.inner_text(".name") == bad.name  # a name is text, whatever it looks like
    choose(open_page(), [bad])


def test_a_key_is_asked_for(serve: Serve, open_page: Open, files: list[Path]) -> None:
    page = open_page(serve(key="a long key"))
    page.wait_for_selector("#key:visible")
    assert 'curl -H "Authorization: Bearer $KEY"' in page.inner_text("#curl")
    choose(page, files[:1])
    assert "expected the API key" in page.inner_text(".error")
    page.fill("#key", "a long key")
    page.keyboard.press("Tab")
    page.click("#clear")
    choose(page, files[:1])
    assert page.locator(".mark").count() > 0
    shot(page, "key")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1100])
def test_it_fits_narrow_and_wide_light_and_dark(
    open_page: Open, files: list[Path], tmp_path: Path, scheme: str, width: int
) -> None:
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    bad = tmp_path / "scan_of_a_very_long_name_that_does_not_break_anywhere_0001_of_9999.png"
    bad.write_bytes(b"this is not an image")
    choose(page, [*files[:4], bad])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ratio = page.evaluate(CONTRAST)
    assert ratio >= 4.5, f"the least contrast of a text is {ratio:.2f}"
    page.locator(".mark").nth(1).hover()
    shot(page, f"{scheme}_{width}")


def test_a_page_lists_the_routes_and_needs_nothing_from_elsewhere(serve: Serve) -> None:
    httpx = pytest.importorskip("httpx", reason="the service is asked with it")
    served = serve(key="correct horse")
    answer = httpx.get(f"{served.url}/docs")
    assert answer.status_code == 200 and "'unsafe" not in answer.headers["content-security-policy"]
    for told in ("<h2>POST /recognize</h2>", "multipart/form-data", "full | text", "X-API-Key"):
        assert told in answer.text
    assert re.findall(r'(?:src|href)="([^"]+)"', answer.text) == ["openapi.json", "./"]
    assert "<script" not in answer.text
