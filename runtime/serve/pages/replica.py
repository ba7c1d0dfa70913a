"""Runs in a replica: reads a page, and writes it as the request wants it."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import cv2

from runtime.errors import ImageError
from runtime.images.loading import load_image
from runtime.images.pdf.source import PdfPage
from runtime.pages.documents import PDF_WAYS, DocumentReader
from runtime.pages.formats.kinds import FORMATS
from runtime.pages.formats.paddleocr import paddleocr_record
from runtime.pages.formats.record import record_from_page
from runtime.pages.reader import PageReader
from runtime.pages.result import PageText
from runtime.pages.unsure import without_unsure
from runtime.recognition.recognizer import Recognizer
from runtime.serve.detail import short_page
from runtime.serve.pages.documents import PageAsk, PageSource
from runtime.serve.settings import PAGES_PER_REPLICA, ReaderOptions

SPARE_PAGES = 1
"""Calls beyond those made at once, for a call whose caller went away."""

_PICTURE_PIXELS = 2**21
_PICTURE_QUALITY = 80


class PageReply(NamedTuple):
    """A page that was read.

    Args:
        content: as the request wants it.
        text: in the order of reading.
        error: why it could not be read, None if it could.
        warnings: of what was left out, or may have impaired the text.
    """

    content: str
    text: str
    error: str | None
    warnings: tuple[str, ...]


class PageDesk:
    """Reads pages in threads of its own, so that lines never wait for a thread behind them.

    Args:
        options: the detector, and how to read.
        recognizer: reads the lines; shared with those who read lines alone.
        threads: of the CPU.

    Raises:
        OcrError: as `PageReader`.
    """

    def __init__(
        self, options: ReaderOptions, recognizer: Recognizer, threads: int | None = None
    ) -> None:
        assert options.detector is not None
        self._max_pixels = options.page_pixels
        self._reader = PageReader(
            options.detector,
            recognizer,
            device=options.device,
            threads=threads,
            max_pixels=options.page_pixels,
            precision=options.precision,
        )
        self._documents = {
            pdf: DocumentReader(self._reader, pdf, options.page_pixels) for pdf in PDF_WAYS
        }
        self.threads = ThreadPoolExecutor(PAGES_PER_REPLICA + SPARE_PAGES, "page")

    def read(self, ask: PageAsk) -> PageReply:
        """Read a page; `error` is set if it cannot be read.

        Raises:
            EngineError: if the engine fails.
        """
        if isinstance(ask.source, bytes | str) or ask.source.data is None:
            raise TypeError("expected a page with the bytes of its file")  # never a path
        (page,) = self._documents[ask.wish.pdf].stream([ask.source])
        page = replace(page, source=ask.name, page=ask.page)
        if ask.wish.min_confidence is not None:
            page = without_unsure(page, ask.wish.min_confidence)
        return PageReply(self._written(page, ask), page.text, page.error, page.warnings)

    def _written(self, page: PageText, ask: PageAsk) -> str:
        """Write a page as the request wants it."""
        form = ask.wish.form
        if form == "json":
            record: dict[str, Any] = short_page(record_from_page(page), ask.wish.detail)
            record.pop("file", None)
            if ask.wish.has_picture:
                record["picture"] = self._picture(ask.source) if page.error is None else None
        elif form == "paddleocr":
            record = paddleocr_record(page)
        else:
            return FORMATS[form].page(page, ask.place)
        return json.dumps(record, ensure_ascii=False)

    def _picture(self, source: PageSource) -> str | None:
        """Return a page as a JPEG of a moderate size, in an address that holds it."""
        most = _PICTURE_PIXELS if isinstance(source, PdfPage) else self._max_pixels
        try:
            pixels = load_image(source, most).pixels
        except ImageError:
            return None
        height, width = pixels.shape[:2]
        scale = min(1.0, (_PICTURE_PIXELS / (height * width)) ** 0.5)
        if scale < 1:
            size = (max(1, int(width * scale)), max(1, int(height * scale)))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _PICTURE_QUALITY])
        return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
