"""Records and documents of a page say what was read and where, in the words of each format."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from runtime.pages.formats.alto import alto_begin, alto_end, alto_page
from runtime.pages.formats.hocr import hocr_begin, hocr_end, hocr_page
from runtime.pages.formats.kinds import FORMATS
from runtime.pages.formats.paddleocr import paddleocr_record
from runtime.pages.formats.places import leaning, rectangle_around, words_of, xml_text
from runtime.pages.formats.record import record_from_page
from runtime.pages.result import PageLine, PageText
from tests.runtime.pages.some_page import FAILED, HEIGHT, LINES, PAGE, WIDTH, line, quad

HTML = "{http://www.w3.org/1999/xhtml}"
ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"


def hocr(*pages: PageText) -> ElementTree.Element:
    body = "".join(hocr_page(page, number) for number, page in enumerate(pages, 1))
    return ElementTree.fromstring(hocr_begin("x 1") + body + hocr_end())


def alto(*pages: PageText) -> ElementTree.Element:
    body = "".join(alto_page(page, number) for number, page in enumerate(pages, 1))
    return ElementTree.fromstring(alto_begin("a&b.tif", "x", "1") + body + alto_end())


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if element.get("class") == name]


def test_a_record_holds_everything_and_is_json() -> None:
    record = json.loads(json.dumps(record_from_page(PAGE)))
    assert record["file"] == PAGE.source and record["text"] == PAGE.text
    assert [found["text"] for found in record["lines"]] == [found.text for found in LINES]
    first = record["lines"][0]
    assert first["points"] == [[100, 60], [410, 60], [410, 100], [100, 100]]
    assert [word["text"] for word in first["words"]] == ["Hello", "wide", "World"]
    assert first["score"] == 0.8 and first["confidence"] == 0.9
    assert [found["is_unsure"] for found in record["lines"]].count(True) == 1
    assert [column["lines"] for column in record["columns"]] == [[*range(7)], [7, 8]]
    assert record_from_page(FAILED)["error"] == FAILED.error


def test_paddleocr_finds_its_own_fields() -> None:
    record = json.loads(json.dumps(paddleocr_record(PAGE)))
    texts = [found.text for found in LINES if found.text]
    assert record["rec_texts"] == texts and len(record["dt_polys"]) == len(LINES)
    for name in ("rec_scores", "rec_polys", "rec_boxes", "textline_orientation_angles"):
        assert len(record[name]) == len(texts)
    assert record["rec_polys"][0] == [[100, 60], [410, 60], [410, 100], [100, 100]]
    assert record["rec_boxes"][0] == [100, 60, 410, 100]
    assert record["rec_scores"][-1] == 0.2 and record["textline_orientation_angles"][2] == 1
    assert record["page_index"] is None and record["input_path"] == PAGE.source


def test_hocr_names_every_word_with_its_box() -> None:
    (page,) = of_class(hocr(PAGE), "ocr_page")
    assert "bbox 0 0 1200 1000; ppageno 0; scan_res 144 144" in page.get("title", "")
    lines = of_class(page, "ocr_line")
    assert len(of_class(page, "ocr_carea")) == 2 and len(lines) == len(LINES)
    words = of_class(page, "ocrx_word")
    texts = [word.text for word in words]
    assert texts == [word.text for found in LINES for word in found.words]
    assert words[0].get("title") == "bbox 100 60 200 100; x_wconf 90"
    assert len({word.get("id") for word in words}) == len(words)


def test_hocr_says_how_lines_lean() -> None:
    titles = [found.get("title", "") for found in of_class(hocr(PAGE), "ocr_line")]
    assert "baseline 0.0000 0" in titles[0]
    slope = re.search(r"baseline (\S+) (-?\d+)", titles[1])
    assert slope and float(slope[1]) == pytest.approx(0.2126, abs=1e-3)
    # It passes the lower left corner, at y = 189, which is above the bottom of the box, 237.
    assert float(slope[2]) == pytest.approx(189 - 237, abs=1.5)
    assert "textangle 180" in titles[2] and "textangle 270" in titles[3]


def test_failed_pages_are_empty_and_say_why() -> None:
    for text in (hocr_page(FAILED, 2), alto_page(FAILED, 2)):
        assert "not an image - - at all &lt;&amp;&gt;" in text
    assert len(of_class(hocr(PAGE, FAILED), "ocr_page")) == 2
    assert len(list(alto(PAGE, FAILED).iter(f"{ALTO}Page"))) == 2


def test_alto_has_the_structure_that_its_schema_asks_for() -> None:
    root = alto(PAGE)
    assert [child.tag for child in root] == [f"{ALTO}Description", f"{ALTO}Layout"]
    (page,) = root.iter(f"{ALTO}Page")
    assert (page.get("WIDTH"), page.get("HEIGHT")) == (str(WIDTH), str(HEIGHT))
    (space,) = page
    assert [child.tag for child in space] == [f"{ALTO}TextBlock"] * 2
    for block in space:
        assert next(child.tag for child in block) == f"{ALTO}Shape"
        assert {child.tag for child in block} == {f"{ALTO}Shape", f"{ALTO}TextLine"}
        for found in block.iter(f"{ALTO}TextLine"):
            tags = [child.tag.removeprefix(ALTO) for child in found]
            assert tags[:2] == ["Shape", "String"]
            assert tags[2:] == ["SP", "String"] * (len(tags[2:]) // 2)
    strings = list(root.iter(f"{ALTO}String"))
    assert [string.get("CONTENT") for string in strings] == [
        word.text for found in LINES for word in found.words
    ]
    assert strings[0].get("HPOS") == "100" and strings[0].get("WC") == "0.900"
    names = [element.get("ID") for element in root.iter() if element.get("ID")]
    assert len(names) == len({*names})
    assert next(iter(root.iter(f"{ALTO}fileName"))).text == "a&b.tif"


def test_formats_write_pages_between_beginning_and_end() -> None:
    for kind, form in FORMATS.items():
        text = form.begin(None) + form.page(PAGE, 1) + form.page(FAILED, 2) + form.end()
        if kind in ("hocr", "alto"):
            ElementTree.fromstring(text)
        elif kind == "txt":
            assert text == f"{PAGE.text}\n\f\f"
        else:
            assert [*map(type, map(json.loads, text.splitlines()))] == [dict, dict]


def test_a_line_without_words_is_a_word() -> None:
    bare = PageLine("two words", 0.5, quad(0, 0, 10, 5))
    assert [word.text for word in words_of(bare)] == ["two words"]
    assert words_of(PageLine("", 0.0, quad(0, 0, 10, 5))) == ()


def test_places() -> None:
    assert rectangle_around([(1.2, -3), (4.1, 5)]) == (1, 0, 5, 5)
    assert rectangle_around([]) == (0, 0, 0, 0)
    assert leaning(line("a", 0, 0, 90).points) == pytest.approx(90)
    assert xml_text("a\x00<\ud800>") == "a\ufffd&lt;\ufffd&gt;"


@pytest.mark.parametrize("name", ["a-b", "a--b", "a---b", "----", "<&>"])
def test_a_reason_with_hyphens_ends_no_comment(name: str) -> None:
    page = PageText(error=f"no such file: {name}-")
    hocr = hocr_begin("distilrec") + hocr_page(page, 1) + hocr_end()
    alto = alto_begin(None, "distilrec", "1") + alto_page(page, 1) + alto_end()
    for document in (hocr, alto):
        ElementTree.fromstring(document)
        assert document.count("error: no such file") == 1
