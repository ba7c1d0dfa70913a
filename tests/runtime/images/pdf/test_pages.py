"""Pages of PDF files are rendered and looked at, within bounds whatever the file says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images.loading import load_image
from runtime.images.pdf import pages
from runtime.images.pdf.pages import count_pages, look_at_page, render_page
from runtime.images.pdf.source import PdfPage
from runtime.images.read import read_image
from runtime.images.sources import NamedImage, Refused, documents_opened, sources_from
from tests.runtime.images.pdf import odd_files
from tests.runtime.images.pdf.odd_files import TEXT

pytest.importorskip("pypdfium2", reason="pypdfium2 opens PDF files")

MOST = 2**24


@pytest.fixture(autouse=True, scope="module")
def _no_processes_are_left() -> Iterator[None]:
    yield
    pages._viewers.end_all()


def page_of(data: bytes, number: int = 0, **options: object) -> PdfPage:
    return PdfPage("a.pdf", number, data=data, **options)  # type: ignore[arg-type]


def written(folder: Path, data: bytes, name: str = "a.pdf") -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def test_pages_are_named_as_those_of_a_tiff(tmp_path: Path) -> None:
    two = written(tmp_path, odd_files.pages(TEXT, TEXT), "two.pdf")
    single = written(tmp_path, odd_files.pages(TEXT), "one.PDF")
    found = list(sources_from([str(tmp_path)], with_pdf=True))
    assert [source.name for source in found if isinstance(source, PdfPage)] == [
        single,
        f"{two}#page=1",
        f"{two}#page=2",
    ]


def test_pdf_files_are_found_only_where_they_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, odd_files.pages(TEXT))
    assert list(sources_from([str(tmp_path)])) == [str(tmp_path)]
    assert list(sources_from([path])) == [path]
    with pytest.raises(ImageError, match="a PDF, not an image: its pages are read by --pages"):
        read_image(path)


def test_bytes_of_a_pdf_file_are_opened_page_by_page() -> None:
    data = odd_files.pages(TEXT, TEXT)
    sources = [NamedImage("x", data), NamedImage("y", b"\x89PNG")]
    found = list(documents_opened(sources, 72))
    assert [source.name for source in found] == ["x#page=1", "x#page=2", "y"]  # type: ignore[union-attr]
    assert read_image(found[0]).shape == (842, 595, 3)  # type: ignore[arg-type]


def test_a_page_is_rendered_at_300_px_per_inch_and_a_scan_at_its_own() -> None:
    text = render_page(page_of(odd_files.pages(TEXT)), MOST)
    assert text.pixels.shape == (3509, 2480, 3) and text.px_per_inch == 300
    assert text.pixels.min() == 0 and text.pixels.max() == 255
    scan = render_page(page_of(odd_files.scan((45, 30))), MOST)
    assert scan.pixels.shape == (60, 90, 3) and scan.px_per_inch == pytest.approx(144)
    apart = np.abs(scan.pixels[:, :, 0].astype(int) - odd_files.picture())
    assert np.median(apart) <= 1 and apart.max() < 40  # what a JPEG loses


def test_another_resolution_may_be_asked_for() -> None:
    page = page_of(odd_files.pages(TEXT), px_per_inch=72)
    assert render_page(page, MOST).pixels.shape == (842, 595, 3)


def test_a_large_page_is_made_smaller_and_says_so() -> None:
    page = page_of(odd_files.pages(TEXT, box="0 0 14400 14400"))
    rendered = render_page(page, 10**6)
    height, width = rendered.pixels.shape[:2]
    assert height == width and 0.95e6 < height * width <= 10**6
    assert "shrunk: rendered at 5 px per inch, 300 wanted" in rendered.warnings[0]
    loaded = load_image(page, 10**6)
    assert loaded.warnings == rendered.warnings and loaded.px_per_inch == rendered.px_per_inch


@pytest.mark.parametrize(("side", "said"), [("1000000", "less than 0.1"), ("100000", "0.72")])
def test_a_huge_page_says_how_little_is_left_of_it(side: str, said: str) -> None:
    rendered = render_page(page_of(odd_files.pages(TEXT, box=f"0 0 {side} {side}")), 10**6)
    assert f"rendered at {said} px per inch, 300 wanted" in rendered.warnings[0]


def meaning(codes: str) -> bytes:
    """A page whose font says that its letters a, b, c … are other characters."""
    letters = "".join(chr(97 + at) for at in range(len(codes)))
    pairs = "".join(f"<{97 + at:02x}> <{ord(code):04x}> " for at, code in enumerate(codes))
    told = (
        "begincmap 1 begincodespacerange <00> <ff> endcodespacerange "
        f"{len(codes)} beginbfchar {pairs}endbfchar endcmap"
    )
    return odd_files.pages(
        f"BT /F1 24 Tf 1 0 0 1 72 700 Tm ({letters}) Tj ET",
        more={
            3: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 91 0 R >>",
            91: odd_files.stream(told.encode()),
        },
    )


@pytest.mark.parametrize("code", ["\x1b", "\x07", "\x9b", "\u202e", "\u2066"])
def test_characters_that_act_on_a_terminal_are_left_out(code: str) -> None:
    """A file may say that a letter is any character, which nobody sees on the page."""
    look = look_at_page(page_of(meaning(f"Hel{code}lo")), MOST)
    assert [[word.text for word in line] for line in look.lines] == [["Hello"]]
    assert look.warnings == ("1 control characters in the file's text were left out",)
    assert not look_at_page(page_of(odd_files.pages(TEXT)), MOST).warnings


@pytest.mark.parametrize(
    ("degrees", "along"), [(0, (1, 0)), (90, (0, 1)), (180, (-1, 0)), (270, (0, -1))]
)
def test_words_are_where_they_are_seen(degrees: int, along: tuple[int, int]) -> None:
    """The page is 200 pt wide and high; at 72 px per inch its points are px."""
    text = "BT /F1 20 Tf 1 0 0 1 100 100 Tm (Hi) Tj ET"
    data = odd_files.pages(text, box="0 0 200 200", entries=f"/Rotate {degrees}")
    look = look_at_page(page_of(data, px_per_inch=72), MOST)
    ((word,),) = look.lines
    (x, y), (right_x, right_y) = word.points[0], word.points[1]
    assert word.text == "Hi" and look.num_characters == 2 and not look.num_bad
    assert (right_x - x, right_y - y) == pytest.approx([18.9 * part for part in along], abs=1)
    seen = 255 - render_page(page_of(data, px_per_inch=72), MOST).pixels[:, :, 0]
    rows, columns = np.nonzero(seen)
    xs, ys = [p[0] for p in word.points], [p[1] for p in word.points]
    assert min(xs) - 1 <= columns.min() and columns.max() <= max(xs) + 1
    assert min(ys) - 1 <= rows.min() and rows.max() <= max(ys) + 1


def test_a_page_may_begin_anywhere() -> None:
    text = "BT /F1 20 Tf 1 0 0 1 -400 -300 Tm (Hi) Tj ET"
    data = odd_files.pages(text, box="-500 -400 -300 -200")
    ((word,),) = look_at_page(page_of(data, px_per_inch=72), MOST).lines
    assert word.points[3] == pytest.approx((100, 100), abs=6)


def test_text_that_leans_has_boxes_that_lean() -> None:
    text = "BT /F1 20 Tf 0.966 0.259 -0.259 0.966 100 100 Tm (Two words) Tj ET"
    data = odd_files.pages(text, box="0 0 400 400")
    (line,) = look_at_page(page_of(data, px_per_inch=72), MOST).lines
    (x0, y0), (x1, y1) = line[0].points[:2]
    assert [word.text for word in line] == ["Two", "words"]
    assert (y1 - y0) / (x1 - x0) == pytest.approx(-0.268, abs=0.01)


def test_text_parted_by_a_wide_gap_is_two_lines() -> None:
    text = "BT /F1 10 Tf 1 0 0 1 20 100 Tm (left cell) Tj 1 0 0 1 150 100 Tm (right) Tj ET"
    look = look_at_page(page_of(odd_files.pages(text, box="0 0 200 200")), MOST)
    assert [[word.text for word in line] for line in look.lines] == [["left", "cell"], ["right"]]


def test_hidden_text_over_a_scan_is_known_as_such() -> None:
    hidden = "BT 3 Tr /F1 9 Tf 5 5 Td (hidden) Tj ET"
    look = look_at_page(page_of(odd_files.scan(text=hidden)), MOST)
    assert look.is_scan and look.is_hidden and look.num_characters == 6
    look = look_at_page(page_of(odd_files.scan(text=hidden.replace("3 Tr", "0 Tr"))), MOST)
    assert look.is_scan and not look.is_hidden


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (odd_files.encrypted(), "encrypted: expected one that opens without a password"),
        (b"%PDF-1.7\nnothing", "pdfium cannot open the PDF"),
        (odd_files.pages(TEXT, count=30_000), "30000 pages, expected at most 20000"),
    ],
    ids=["encrypted", "broken", "many"],
)
def test_files_that_cannot_be_read_say_why(data: bytes, complaint: str, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    (refused,) = sources_from([path], with_pdf=True)
    assert isinstance(refused, Refused) and complaint in refused.reason


def test_what_is_named_a_pdf_and_is_none_is_called_so(tmp_path: Path) -> None:
    path = written(tmp_path, b"<html>not found</html>", "a.PDF")
    for source in (path, NamedImage("a.pdf", b"<html>not found</html>")):
        with pytest.raises(ImageError, match="no readable PDF: expected %PDF- within"):
            read_image(source)
    with pytest.raises(ImageError, match="not an image"):
        read_image(b"<html>not found</html>")


def test_a_page_that_cannot_be_loaded_costs_itself_alone() -> None:
    data = odd_files.pages(TEXT, count=2)
    assert count_pages("a.pdf", data) == 2
    with pytest.raises(ImageError, match="cannot be read"):
        render_page(page_of(data, 1), MOST)
    assert render_page(page_of(data, 0), MOST).pixels.min() == 0


def test_10_000_pages_are_counted_and_the_last_is_read() -> None:
    data = odd_files.pages(*[TEXT] * 10_000)
    assert count_pages("a.pdf", data) == 10_000
    assert look_at_page(page_of(data, 9_999), MOST).num_characters == 14


def test_a_page_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(odd_files.pages("0 0 m 500 800 l S " * 100_000))
    monkeypatch.setattr(pages, "SECONDS_PER_PAGE", 0.2)
    monkeypatch.setattr(pages, "PIXELS_PER_SECOND", 2**40)
    with pytest.raises(ImageError, match=r"the page was given up after 0\.2 s of the CPU"):
        render_page(page, MOST)
    monkeypatch.undo()
    assert render_page(page_of(odd_files.pages(TEXT)), MOST).pixels.min() == 0


def test_files_that_change_are_opened_again(tmp_path: Path) -> None:
    path = written(tmp_path, odd_files.pages(TEXT))
    assert look_at_page(PdfPage(path, 0), MOST).num_characters == 14
    written(tmp_path, odd_files.pages(TEXT.replace("Hello", "Longer text")))
    assert look_at_page(PdfPage(path, 0), MOST).num_characters == 19


def test_without_pypdfium2_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    (refused,) = sources_from([written(tmp_path, odd_files.pages(TEXT))], with_pdf=True)
    assert isinstance(refused, Refused) and "pip install 'distilrec[pdf]'" in refused.reason


SLOW = ("10000_pages.pdf", "many_lines.pdf", "forms.pdf", "unpacks_twice.pdf")


def read_or_refuse(name: str, data: bytes) -> int:
    """Look at and render the first pages of a file; return how many were read."""
    num_read = 0
    for place, source in enumerate(documents_opened([NamedImage(name, data)])):
        if place == 3:
            break
        try:
            if isinstance(source, PdfPage):
                look = look_at_page(source, 10**6)
                assert read_image(source, 10**6).shape[:2] == (look.height_px, look.width_px)
                num_read += 1
        except ImageError:
            continue
    return num_read


def test_odd_files_are_read_or_refused() -> None:
    sample = [file for file in odd_files.odd_files() if file[0] not in SLOW][::6]
    num_read = sum(read_or_refuse(name, make()) > 0 for name, make in sample)
    assert len(sample) > 50 and num_read > 15


@pytest.mark.slow
def test_all_odd_files_are_read_or_refused() -> None:
    files = list(odd_files.odd_files())
    assert len(files) > 300
    assert sum(read_or_refuse(name, make()) > 0 for name, make in files) > 100


@pytest.mark.slow
def test_a_page_that_takes_too_much_memory_is_an_error() -> None:
    with pytest.raises(ImageError, match="more memory than a page needs"):
        render_page(page_of(odd_files.unpacking(10**9, 2)), MOST)


@pytest.mark.parametrize(
    ("note", "is_text"),
    [
        ("/Subtype /Widget /FT /Tx /T (a) /V (777) /AP << /N 50 0 R >>", True),
        ("/Subtype /Widget /FT /Tx /T (a) /V (777)", True),
        ("/Subtype /FreeText /Contents (777) /AP << /N 50 0 R >>", True),
        ("/Subtype /Widget /FT /Tx /T (a) /AP << /N 51 0 R >>", False),
        ("/Subtype /Widget /FT /Tx /T (a) /V ()", False),
        ("/Subtype /Link /Contents (777)", False),
    ],
)
def test_what_was_written_onto_a_page_is_noticed(note: str, is_text: bool) -> None:
    shape = "/Type /XObject /Subtype /Form /BBox [0 0 90 20]"
    data = odd_files.pages(
        TEXT,
        entries=f"/Annots [<< /Type /Annot /Rect [72 600 162 620] {note} >>]",
        more={
            50: odd_files.stream(b"BT /F1 12 Tf (777) Tj ET", shape),
            51: odd_files.stream(b"0 0 90 20 re S", shape),
        },
    )
    assert look_at_page(page_of(data), MOST).has_notes is is_text
