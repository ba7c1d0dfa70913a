"""Reads pages of images and PDF files: from the text in the file, or from the picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from runtime.errors import ImageError, OcrError
from runtime.images.loading import num_bytes_of
from runtime.images.pdf.pages import end_idle_viewers, look_at_page
from runtime.images.pdf.source import PdfPage
from runtime.images.read import ImageSource, source_name
from runtime.images.resolution import px_per_inch_of
from runtime.images.sources import NamedImage, Page
from runtime.pages.layer import has_text, page_from_layer
from runtime.pages.result import PageText
from runtime.pipeline import done_ahead

AUTO, TEXT, RENDER = "auto", "text", "render"
PDF_WAYS = (AUTO, TEXT, RENDER)
"""The text in the file where it is all of a page's text, else the picture; only ever the text; only
ever the picture."""

_LOOKERS = 2
_LOOKED_AHEAD = 8
_MOST_WAITING = 64
"""Pages with text in the file that wait for a picture before them to be read."""


class _Reader(Protocol):
    """What reads pictures of pages."""

    def stream(self, images: Iterable[ImageSource]) -> Iterator[PageText]:
        """Yield the text of each, in their order."""


class _Looked(NamedTuple):
    """A source that was looked at.

    Args:
        source: of a page.
        text: of the page, None if its picture is to be read.
        page: its number in its file, from 1, None if it has no others.
        px_per_inch: of the picture, None if it is not known.
    """

    source: ImageSource
    text: PageText | None = None
    page: int | None = None
    px_per_inch: float | None = None


class DocumentReader:
    """Reads pages, those of PDF files as they want it.

    Args:
        reader: reads pictures of pages; open.
        pdf: one of `PDF_WAYS`.
        max_pixels: of the picture of a page.

    Raises:
        OcrError: if `pdf` is unknown.
    """

    def __init__(self, reader: _Reader, pdf: str = AUTO, max_pixels: int = 2**27) -> None:
        if pdf not in PDF_WAYS:
            raise OcrError(
                f"unknown way to read PDF files: expected {', '.join(PDF_WAYS)}, got {pdf!r}"
            )
        self._reader, self._pdf, self._max_pixels = reader, pdf, max_pixels

    def stream(self, sources: Iterable[ImageSource]) -> Iterator[PageText]:
        """Yield the text of each page, in their order.

        Sources are taken only so far ahead of the results as keeps the reader busy.

        Args:
            sources: of images, and pages of PDF files as `sources_from` gives them.
        """
        looking = done_ahead(self._look, sources, _LOOKERS, _LOOKED_AHEAD, num_bytes=num_bytes_of)
        waiting: deque[_Looked] = deque()
        is_over = False

        def to_read() -> Iterator[ImageSource]:
            """Yield what is to be read, until nothing is, or too many others wait."""
            nonlocal is_over
            for looked in looking:
                waiting.append(looked)
                if looked.text is None:
                    yield looked.source
                    continue
                num_told = sum(before.text is not None for before in waiting)
                if num_told == len(waiting) or num_told >= _MOST_WAITING:
                    return
            is_over = True

        with closing(looking):
            while not is_over:
                for read in self._reader.stream(to_read()):
                    yield from _told(waiting)
                    yield _completed(waiting.popleft(), read)
                yield from _told(waiting)

    def close(self) -> None:
        """Let go of the processes that open PDF files; the reader stays open."""
        end_idle_viewers()

    def __enter__(self) -> DocumentReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self, source: ImageSource) -> _Looked:
        """Find out whether the text of a page stands in its file."""
        if not isinstance(source, PdfPage):
            return _of_image(source)
        number = source.number + 1
        try:
            look = look_at_page(source, self._max_pixels)
        except ImageError as error:
            failed = PageText(source=source.name, page=number, error=str(error))
            return _Looked(source, failed, number)
        if self._pdf == TEXT or (self._pdf == AUTO and has_text(look)):
            text = page_from_layer(look, source.name, number)
            if not text.lines:
                warning = "no text stands in the file; --pdf auto reads it from the picture"
                text = replace(text, warnings=(*text.warnings, warning))
            return _Looked(source, text, number)
        return _Looked(source, None, number, look.px_per_inch)


def _of_image(source: ImageSource) -> _Looked:
    """Say what the file of an image says of its page."""
    if isinstance(source, Page):
        file = source.path if source.data is None else source.data
        found = px_per_inch_of(file, source.number)
        return _Looked(source, None, source.number + 1, found)
    if isinstance(source, NamedImage | bytes):
        data = source if isinstance(source, bytes) else source.data
        return _Looked(source, px_per_inch=px_per_inch_of(data))
    if isinstance(source, str | Path) and Path(source).is_file():
        return _Looked(source, px_per_inch=px_per_inch_of(source))
    return _Looked(source)


def _told(waiting: deque[_Looked]) -> Iterator[PageText]:
    """Yield the texts in front that need no reading."""
    while waiting and (text := waiting[0].text) is not None:
        waiting.popleft()
        yield text


def _completed(looked: _Looked, read: PageText) -> PageText:
    """Return what was read, with what its file says of the page."""
    return replace(
        read,
        source=source_name(looked.source),
        page=looked.page if read.page is None else read.page,
        px_per_inch=looked.px_per_inch if read.px_per_inch is None else read.px_per_inch,
    )
