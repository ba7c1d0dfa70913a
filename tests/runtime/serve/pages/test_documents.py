from __future__ import annotations

import pytest

from runtime.images.pdf.source import PdfPage
from runtime.images.read import read_image
from runtime.images.sources import NamedImage, Page
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.pages.documents import open_documents
from runtime.serve.pages.wish import PageWish, wish_of
from runtime.serve.settings import Limits
from tests.runtime.images.pdf import odd_files
from tests.runtime.serve.pages.conftest import bar_page, tiff_of

LIMITS = Limits().for_pages(pages_per_request=4)


def test_every_page_of_every_file_is_asked_for_in_order() -> None:
    files = [("a.png", bar_page()), ("b.tif", tiff_of(1, 2)), (None, b"no image")]
    documents = open_documents(files, PageWish(), LIMITS)
    assert [document.num_pages for document in documents] == [1, 2, 1]
    asks = [ask for document in documents for ask in document.asks]
    assert [(ask.name, ask.page, ask.place) for ask in asks] == [
        ("a.png", None, 1),
        ("b.tif", 1, 2),
        ("b.tif", 2, 3),
        (None, None, 4),
    ]
    assert [type(ask.source) for ask in asks] == [NamedImage, Page, Page, NamedImage]


def test_a_page_of_bytes_is_that_page() -> None:
    first, second = (
        ask.source for ask in open_documents([("b", tiff_of(1, 2))], PageWish(), LIMITS)[0].asks
    )
    assert read_image(first)[90:, :].max() == 0 < read_image(second)[90:, :].max()


def test_names_are_never_taken_for_paths() -> None:
    for data in (bar_page(), tiff_of(1, 2)):
        for document in open_documents([("/etc/passwd", data)], PageWish(), LIMITS):
            for ask in document.asks:
                assert ask.source.data == data and "passwd" not in ask.source.name


def test_more_pages_than_a_request_may_have_are_refused_with_the_remedy() -> None:
    with pytest.raises(Refusal, match=r"at most 4 .*\?pages=1-4") as refused:
        open_documents([("a.tif", tiff_of(*[1] * 6))], PageWish(), LIMITS)
    assert refused.value.status == 413
    with pytest.raises(Refusal):
        open_documents([(None, bar_page())] * 3 + [(None, tiff_of(1, 1))], PageWish(), LIMITS)
    (some,) = open_documents([("a.tif", tiff_of(*[1] * 6))], wish_of({"pages": "3-6"}), LIMITS)
    assert [ask.page for ask in some.asks] == [3, 4, 5, 6] and some.num_pages == 6


def test_a_page_that_is_not_there_is_the_error_of_its_file() -> None:
    one, two = open_documents(
        [(None, bar_page()), ("b", tiff_of(1, 1))], wish_of({"pages": "2"}), LIMITS
    )
    assert not one.asks and "no such page: the file has 1" in str(one.error)
    assert [ask.page for ask in two.asks] == [2] and two.error is None


def test_pdf_files_are_opened_and_broken_ones_say_why() -> None:
    pytest.importorskip("pypdfium2")
    sound = odd_files.pages(odd_files.TEXT, odd_files.TEXT)
    files = [("a.pdf", sound), ("b.pdf", odd_files.encrypted()), ("c.pdf", b"%PDF-1.7\n")]
    good, encrypted, broken = open_documents(files, PageWish(), LIMITS)
    assert [ask.page for ask in good.asks] == [1, 2]
    assert all(isinstance(ask.source, PdfPage) and ask.source.data == sound for ask in good.asks)
    assert "encrypted" in str(encrypted.error) and "pdfium cannot open" in str(broken.error)
    assert encrypted.num_pages == broken.num_pages == 0


def test_what_is_named_a_pdf_and_is_none_is_called_so() -> None:
    documents = open_documents([("a.pdf", b"<html>")], PageWish(), LIMITS)
    assert "no readable PDF" in str(documents[0].error)
    (real,) = open_documents([("a.pdf", bar_page())], PageWish(), LIMITS)
    assert real.error is None
