"""Searchable PDF files look like their pages, and every word is found where it is seen."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.images.pdf import pages as pdf_pages
from runtime.images.pdf.pages import LayerWord, look_at_page, render_page
from runtime.images.pdf.source import PdfPage
from runtime.images.sources import pdf_pages as pages_in
from runtime.pages.result import PageText
from runtime.pages.searchable import original
from runtime.pages.searchable.document import SearchablePdf
from runtime.pages.searchable.file import PdfFile
from runtime.pages.searchable.font import InvisibleFont, font_file
from runtime.pages.searchable.picture import exact_picture, jpeg_picture, picture_of
from runtime.pages.searchable.text import inverse, text_operators
from tests.runtime.images.pdf import odd_files
from tests.runtime.pages.some_page import FAILED, HEIGHT, LINES, PAGE, WIDTH, picture

pytest.importorskip("pypdfium2", reason="pypdfium2 reads PDF files")

MOST = 2**24
NAMED = "a.pdf"


@pytest.fixture(autouse=True, scope="module")
def _no_processes_are_left() -> Iterator[None]:
    yield
    pdf_pages._viewers.end_all()
    original._writers.end_all()


def words_in(path: Path, number: int = 0, px_per_inch: int | None = None) -> list[LayerWord]:
    look = look_at_page(PdfPage(str(path), number, px_per_inch=px_per_inch), MOST)
    return [word for line in look.lines for word in line]


def made(path: Path, *pages: tuple[object, PageText]) -> SearchablePdf:
    document = SearchablePdf(path, MOST)
    for source, page in pages:
        document.take(source, page)  # type: ignore[arg-type]
    document.finish()
    return document


def assert_words_are_in_place(found: list[LayerWord], page: PageText, scale: float = 1.0) -> None:
    """Every word of the page is found, with its corners within 2 px of where it is seen."""
    wanted = {word.text: word.points for line in page.lines for word in line.words}
    places = {word.text: word.points for word in found}
    assert {*wanted} == {*places}
    for text, points in wanted.items():
        assert np.array(places[text]) == pytest.approx(np.array(points) * scale, abs=2.5), text


def test_every_word_is_found_where_it_is_seen(tmp_path: Path) -> None:
    path = tmp_path / NAMED
    made(path, (picture(), PAGE))
    look = look_at_page(PdfPage(str(path), 0), MOST)
    assert (look.width_px, look.height_px) == (WIDTH, HEIGHT) and look.is_hidden
    assert look.px_per_inch == pytest.approx(144)
    assert_words_are_in_place(words_in(path), PAGE)
    assert [word.text for word in look.lines[0]] == ["Hello", "wide", "World"]


def test_nothing_of_the_text_is_seen(tmp_path: Path) -> None:
    path = tmp_path / NAMED
    data = bytes(cv2.imencode(".png", picture())[1])
    made(path, (data, PAGE))
    seen = render_page(PdfPage(str(path), 0), MOST).pixels
    assert np.array_equal(seen, picture())


def test_a_jpeg_stays_as_it_is_and_others_lose_nothing(tmp_path: Path) -> None:
    jpeg = bytes(cv2.imencode(".jpg", picture()[:, :, 0])[1])
    assert picture_of(jpeg, MOST).data == jpeg
    grey = exact_picture(picture())
    assert "/DeviceGray /BitsPerComponent 8" in grey.entries
    black = np.where(picture() > 128, 255, 0).astype(np.uint8)
    assert "/DeviceGray /BitsPerComponent 1" in exact_picture(black).entries
    colour = picture()
    colour[:, :, 0] = 3
    assert "/DeviceRGB" in exact_picture(colour).entries
    assert "/DCTDecode" in jpeg_picture(colour).entries
    for pixels in (black, colour):
        path = tmp_path / NAMED
        made(path, (bytes(cv2.imencode(".png", pixels)[1]), PAGE))
        assert np.array_equal(render_page(PdfPage(str(path), 0), MOST).pixels, pixels)


def test_a_jpeg_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(picture()[:, :, 0]).save(stream, "JPEG", exif=exif)
    found = picture_of(stream.getvalue(), MOST)
    assert (found.width_px, found.height_px) == (HEIGHT, WIDTH)


def test_pages_that_could_not_be_read_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / NAMED
    made(path, (b"", FAILED), (picture(), PAGE))
    assert len(list(pages_in(str(path)))) == 1
    made(tmp_path / "none.pdf", (b"", FAILED))
    assert not (tmp_path / "none.pdf").exists() and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pages_of_pdf_files_stay_and_are_given_text(tmp_path: Path, degrees: int) -> None:
    pytest.importorskip("pikepdf", reason="pikepdf adds text to PDF files")
    turned = degrees in (90, 270)
    box = "100 50 700 550" if not turned else "100 50 600 650"
    drawn = "0 0 1 RG 5 w 120 80 m 500 500 l S 0.5 0 0 0.5 7 7 cm"
    data = odd_files.pages(drawn, box=box, entries=f"/Rotate {degrees}")
    source = tmp_path / "source.pdf"
    source.write_bytes(data)
    page = PdfPage(str(source), 0, True, 144)
    before = render_page(page, MOST).pixels
    assert before.shape == (HEIGHT, WIDTH, 3)
    document = made(tmp_path / NAMED, (page, PAGE))
    assert not document.problems
    after = render_page(PdfPage(str(tmp_path / NAMED), 0, px_per_inch=144), MOST).pixels
    assert np.array_equal(before, after)
    assert_words_are_in_place(words_in(tmp_path / NAMED, 0, 144), PAGE)


def test_text_can_be_added_twice(tmp_path: Path) -> None:
    pytest.importorskip("pikepdf", reason="pikepdf adds text to PDF files")
    path, again = tmp_path / NAMED, tmp_path / "again.pdf"
    first = replace(PAGE, lines=LINES[:1])
    second = replace(PAGE, lines=LINES[4:5])
    (tmp_path / "source.pdf").write_bytes(odd_files.pages("", box="0 0 600 500"))
    made(path, (PdfPage(str(tmp_path / "source.pdf"), 0, True, 144), first))
    made(again, (PdfPage(str(path), 0, True, 144), second))
    found = {word.text for word in words_in(again)}
    assert found == {word.text for line in (*first.lines, *second.lines) for word in line.words}


def test_images_and_pdf_files_become_one(tmp_path: Path) -> None:
    pytest.importorskip("pikepdf", reason="pikepdf joins PDF files")
    data = odd_files.pages(odd_files.TEXT, odd_files.TEXT)
    stands = PageText(lines=LINES[:1], is_from_file=True, width_px=9, height_px=9)
    document = made(
        tmp_path / NAMED,
        (picture(), PAGE),
        (PdfPage("x.pdf", 0, data=data), stands),
        (PdfPage("x.pdf", 1, data=data), stands),
        (picture(), PAGE),
    )
    assert not document.problems
    texts = [
        " ".join(word.text for word in words_in(tmp_path / NAMED, number)) for number in range(4)
    ]
    assert (
        texts[1] == texts[2] == "Hello wide World" and "naïve" in texts[0] and "naïve" in texts[3]
    )
    assert [*tmp_path.iterdir()] == [tmp_path / NAMED]


def test_a_broken_original_is_told_and_left_out(tmp_path: Path) -> None:
    pytest.importorskip("pikepdf", reason="pikepdf adds text to PDF files")
    (tmp_path / "x.pdf").write_bytes(odd_files.pages("", box="0 0 600 500")[:200])
    absent, broken = PdfPage(str(tmp_path / "y.pdf"), 0), PdfPage(str(tmp_path / "x.pdf"), 0)
    document = made(tmp_path / NAMED, (absent, PAGE), (broken, PAGE), (picture(), PAGE))
    assert "cannot be opened" in document.problems[0]
    assert all("left out of" in problem for problem in document.problems)
    assert_words_are_in_place(words_in(tmp_path / NAMED), PAGE)


def test_an_abandoned_document_leaves_nothing(tmp_path: Path) -> None:
    document = SearchablePdf(tmp_path / NAMED, MOST)
    document.take(picture(), PAGE)
    document.abandon()
    assert [*tmp_path.iterdir()] == []


def test_the_font_is_one_that_others_read() -> None:
    from fontTools.ttLib import TTFont

    font = TTFont(io.BytesIO(font_file()), checkChecksums=2)
    assert font["maxp"].numGlyphs == 2 and font["head"].unitsPerEm == 1000
    assert font["hmtx"].metrics == {name: (500, 0) for name in font.getGlyphOrder()}
    glyph = font["glyf"][font.getGlyphOrder()[1]]
    assert (glyph.yMin, glyph.yMax, glyph.numberOfContours) == (-200, 800, 1)


def test_codes_beyond_what_a_font_holds_are_one_of_it() -> None:
    font = InvisibleFont()
    for start in range(0, 70_000, 1000):
        font.encoded("".join(chr(0x20000 + place) for place in range(start, start + 1000)))
    assert len(font.glyphs_of_codes()) == 2 * 65_535
    assert font.character_map().count(b"beginbfchar") == 656


def test_text_without_a_place_is_left_out() -> None:
    stream = io.BytesIO()
    file = PdfFile(stream, "x")
    nowhere = replace(LINES[0], words=(LINES[0].words[0]._replace(points=((1.0, 1.0),) * 4),))
    page = replace(PAGE, lines=(nowhere, replace(LINES[0], words=(), points=())))
    assert text_operators(page, (1, 0, 0, 1, 0, 0), file.font) == b""


def test_a_matrix_and_its_inverse_cancel() -> None:
    a, b, c, d, e, f = inverse((2.0, 1.0, -1.0, 3.0, 7.0, -5.0))
    x, y = 2 * 4 - 9 + 7, 4 + 3 * 9 - 5
    assert (a * x + c * y + e, b * x + d * y + f) == pytest.approx((4, 9))
