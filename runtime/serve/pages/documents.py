"""Finds the pages in the files of a request: of PDF files, of TIFF files, of animations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.errors import ImageError
from runtime.images.pages import HEAD_BYTES
from runtime.images.pdf.pages import count_pages
from runtime.images.pdf.source import PdfPage, is_named_pdf, is_pdf, no_pdf
from runtime.images.size import size_in_header
from runtime.images.sources import NamedImage, Page, pages_in
from runtime.serve.bounds.body import NamedBytes
from runtime.serve.bounds.refusal import Refusal
from runtime.serve.pages.wish import PageWish
from runtime.serve.settings import PDF_CPU_SECONDS, Limits

_NO_PATH = "file"
"""Stands where the name of a file would: what a client calls it is never taken for a path."""

PageSource = PdfPage | Page | NamedImage


@dataclass(frozen=True)
class PageAsk:
    """A page that is to be read.

    Args:
        source: holds the bytes of its file.
        name: of the file, as the client gave it.
        page: its number in the file, from 1; None if the file is no document.
        place: its number in the answer, from 1.
        wish: how it is read and written.
    """

    source: PageSource
    name: str | None
    page: int | None
    place: int
    wish: PageWish


@dataclass(frozen=True)
class Document:
    """A file of a request.

    Args:
        name: as the client gave it.
        num_pages: that it has, 0 if it cannot be opened.
        asks: its pages that are wanted.
        error: why none can be read, None if some can.
    """

    name: str | None
    num_pages: int = 0
    asks: tuple[PageAsk, ...] = ()
    error: str | None = None

    @property
    def num_answers(self) -> int:
        """How many results there are for it."""
        return len(self.asks) or 1


def open_documents(files: Sequence[NamedBytes], wish: PageWish, limits: Limits) -> list[Document]:
    """Find the wanted pages of files; a file that cannot be opened has an error.

    Args:
        files: names and bytes.
        wish: which pages are wanted.
        limits: of a request.

    Raises:
        Refusal: 413 for more pages than a request may have.
    """
    documents: list[Document] = []
    num_answers = 0
    for name, data in files:
        document = _opened(name, data, wish, num_answers, limits.images_per_request)
        documents.append(document)
        num_answers += document.num_answers
        if num_answers > limits.images_per_request:
            raise too_many(num_answers, limits)
    return documents


def too_many(num_pages: int, limits: Limits) -> Refusal:
    """Return the refusal of a request of too many pages."""
    most = limits.images_per_request
    return Refusal(
        413,
        f"too many pages: expected at most {most} in a request, got {num_pages} or more; ask for "
        f"some of them, e.g. with ?pages=1-{most}",
    )


def _opened(name: str | None, data: bytes, wish: PageWish, num_before: int, most: int) -> Document:
    """Find the wanted pages of a file, one more than `most` of them at most."""
    is_document = True
    try:
        if is_pdf(data[:HEAD_BYTES]):
            count = count_pages(_NO_PATH, data, PDF_CPU_SECONDS)
            numbers: Sequence[int] = range(count)
        else:
            numbers = pages_in(data)
            is_document = bool(numbers)
            if not is_document and is_named_pdf(name) and size_in_header(data) is None:
                raise ImageError(no_pdf(data))
            numbers = numbers or range(1)
    except (ImageError, MemoryError) as error:
        reason = str(error) or "no memory is left to look for pages in it"
        return Document(name, error=reason)
    chosen = wish.chosen(len(numbers))[: most + 1]
    if not chosen:
        reason = f"no such page: the file has {len(numbers)}; name another in ?pages="
        return Document(name, len(numbers), error=reason)
    asks = []
    for place, page in enumerate(chosen, num_before + 1):
        number = numbers[page - 1]
        source: PageSource = NamedImage(_NO_PATH, data)
        if is_pdf(data[:HEAD_BYTES]):
            source = PdfPage(
                _NO_PATH, number, len(numbers) == 1, data=data, cpu_seconds=PDF_CPU_SECONDS
            )
        elif is_document:
            source = Page(_NO_PATH, number, data)
        asks.append(PageAsk(source, name, page if is_document else None, place, wish))
    return Document(name, len(numbers), tuple(asks))
