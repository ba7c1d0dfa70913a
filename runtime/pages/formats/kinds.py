"""The formats that hold pages one after the other, each between a beginning and an end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import runtime
from runtime.pages.formats.alto import alto_begin, alto_end, alto_page
from runtime.pages.formats.hocr import hocr_begin, hocr_end, hocr_page
from runtime.pages.formats.paddleocr import paddleocr_record
from runtime.pages.formats.record import record_from_page
from runtime.pages.result import PageText

SYSTEM = "distilrec"
_PAGE_END = "\f"


class Format(NamedTuple):
    """A format of text.

    Args:
        suffix: of its files.
        begin: returns what stands before the first page of a file; takes the name of the one file
            that all pages are of, or None.
        page: returns a page; takes its text and its number in the file that is written, from 1.
        end: returns what stands behind the last page.
    """

    suffix: str
    begin: Callable[[str | None], str]
    page: Callable[[PageText, int], str]
    end: Callable[[], str]


def text_page(page: PageText, number: int) -> str:
    """Return the text in the order of reading; a form feed ends the page, as others write it."""
    return f"{page.text}\n{_PAGE_END}" if page.text else _PAGE_END


def json_line(page: PageText, number: int) -> str:
    """Return the record of a page in a line."""
    return json.dumps(record_from_page(page), ensure_ascii=False) + "\n"


def paddleocr_line(page: PageText, number: int) -> str:
    """Return PaddleOCR's record of a page in a line."""
    return json.dumps(paddleocr_record(page), ensure_ascii=False) + "\n"


def _nothing(source: str | None = None) -> str:
    return ""


FORMATS = {
    "txt": Format(".txt", _nothing, text_page, _nothing),
    "jsonl": Format(".jsonl", _nothing, json_line, _nothing),
    "paddleocr": Format(".jsonl", _nothing, paddleocr_line, _nothing),
    "hocr": Format(
        ".hocr",
        lambda source: hocr_begin(f"{SYSTEM} {runtime.__version__}"),
        hocr_page,
        hocr_end,
    ),
    "alto": Format(
        ".xml",
        lambda source: alto_begin(source, SYSTEM, runtime.__version__),
        alto_page,
        alto_end,
    ),
}
