"""Pages of files are read in their order, from the file or from the picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import OcrError
from runtime.images.pdf import pages as pdf_pages
from runtime.images.read import ImageSource, source_name
from runtime.images.sources import Page, sources_from
from runtime.pages import documents
from runtime.pages.documents import DocumentReader
from runtime.pages.result import PageText
from runtime.pages.unsure import without_unsure
from tests.runtime.images.pdf import odd_files
from tests.runtime.images.pdf.odd_files import TEXT
from tests.runtime.pages.some_page import PAGE

MOST = 2**24


class Echo:
    """Reads nothing, a few sources ahead, and remembers how many it was given at a time."""

    def __init__(self, ahead: int = 3) -> None:
        self.ahead, self.runs = ahead, list[int]()

    def stream(self, images: Iterable[ImageSource]) -> Iterator[PageText]:
        self.runs.append(0)
        held: list[ImageSource] = []
        for source in images:
            self.runs[-1] += 1
            held.append(source)
            if len(held) > self.ahead:
                yield PageText(source=source_name(held.pop(0)), width_px=7)
        for source in held:
            yield PageText(source=source_name(source), width_px=7)


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[list[ImageSource]]:
    pytest.importorskip("pypdfium2", reason="pypdfium2 opens PDF files")
    files = {"a.pdf": odd_files.pages(TEXT, TEXT), "c.pdf": odd_files.scan()}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    picture = np.full((9, 9, 3), 255, np.uint8)
    for name in ("b.png", "d.png", "e.png"):
        cv2.imwrite(str(tmp_path / name), picture)
    (tmp_path / "f.pdf").write_bytes(odd_files.pages(TEXT, "", TEXT))
    yield list(sources_from([str(tmp_path)], with_pdf=True))
    pdf_pages._viewers.end_all()


def test_text_in_the_file_and_pictures_come_in_order(mixed: list[ImageSource]) -> None:
    reader = Echo()
    read = list(DocumentReader(reader, "auto", MOST).stream(mixed))
    assert [page.source for page in read] == [source_name(source) for source in mixed]
    assert [page.is_from_file for page in read] == [
        *(True, True, False, False, False, False),
        *(True, False, True),
    ]
    assert [page.page for page in read] == [1, 2, None, 1, None, None, 1, 2, 3]
    assert sum(reader.runs) == 5
    scan = read[3]
    assert scan.px_per_inch == pytest.approx(72) and scan.width_px == 7


def test_the_way_of_reading_can_be_asked_for(mixed: list[ImageSource]) -> None:
    rendered = list(DocumentReader(Echo(), "render", MOST).stream(mixed))
    assert not any(page.is_from_file for page in rendered)
    told = list(DocumentReader(Echo(), "text", MOST).stream(mixed))
    assert [page.is_from_file for page in told].count(True) == 6
    assert "no text stands in the file" in told[3].warnings[0]
    with pytest.raises(OcrError, match="expected auto, text, render, got 'ocr'"):
        DocumentReader(Echo(), "ocr")


def test_text_in_the_file_is_given_at_once(mixed: list[ImageSource]) -> None:
    """A source that never comes must not hold back what is there."""

    def slowly() -> Iterator[ImageSource]:
        yield mixed[0]
        yield from [mixed[1]] * (documents._LOOKED_AHEAD + 1)
        raise AssertionError("asked for more before anything was given")

    assert next(DocumentReader(Echo(), "auto", MOST).stream(slowly())).is_from_file


def test_few_pages_wait_for_a_picture_before_them(
    mixed: list[ImageSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "_MOST_WAITING", 4)
    taken = 0

    def counted() -> Iterator[ImageSource]:
        nonlocal taken
        for source in [mixed[2], *[mixed[0]] * 100]:
            taken += 1
            yield source

    stream = DocumentReader(Echo(), "auto", MOST).stream(counted())
    assert next(stream).width_px == 7
    assert taken < 20
    assert len(list(stream)) == 100


def test_a_page_that_cannot_be_opened_is_a_result(mixed: list[ImageSource]) -> None:
    broken = odd_files.pages(TEXT, count=2)
    sources = [*mixed[:1], *sources_of(broken), *mixed[:1]]
    read = list(DocumentReader(Echo(), "auto", MOST).stream(sources))
    assert [page.error is None for page in read] == [True, True, False, True]
    assert read[2].page == 2


def sources_of(data: bytes) -> list[ImageSource]:
    from runtime.images.sources import pdf_pages as pages_of

    return list(pages_of("broken.pdf", data))


def test_what_an_image_says_of_itself_is_told(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "two.tif"
    first, second = Image.new("L", (9, 9)), Image.new("L", (9, 9))
    first.save(path, save_all=True, append_images=[second], dpi=(200, 200))
    read = list(DocumentReader(Echo()).stream([Page(str(path), 1), str(path), "absent.png"]))
    assert [page.page for page in read] == [2, None, None]
    assert [page.px_per_inch for page in read] == [200, 200, None]


def test_lines_that_are_too_unsure_are_left_out() -> None:
    page = without_unsure(PAGE, 0.5)
    assert len(page.lines) == 7 and [column.lines for column in page.columns] == [(*range(7),), ()]
    assert "low score" not in page.text and "naïve" in page.text
    assert without_unsure(PAGE, 0.0) is PAGE
