"""hOCR: HTML of pages with their lines, as Tesseract and this project's reader write it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

from runtime.errors import DatasetError
from training.data.importing.files import text_of
from training.data.importing.page import (
    ImportedPage,
    LabelledText,
    box,
    labelled,
    numbers_in,
    page_of,
)

_LINES = frozenset({"ocr_line", "ocrx_line", "ocr_header", "ocr_caption", "ocr_textfloat"})
_BOX = re.compile(r"\bbbox((?:\s+-?\d+(?:\.\d+)?){4})")
_IMAGE = re.compile(r"\bimage\s+(?:\"([^\"]*)\"|'([^']*)'|([^;\s]+))")
_VOID = frozenset({"br", "hr", "img", "meta", "link", "input", "wbr", "area", "base", "col"})


class Hocr:
    """A `Format`: the boxes and texts of `ocr_line` and its like."""

    suffixes: ClassVar[Sequence[str]] = (".hocr", ".html", ".htm", ".xhtml")

    def read(self, file: Path) -> Iterator[ImportedPage]:
        """Yield the pages of a file."""
        parser = _Parser(file)
        parser.feed(text_of(file))
        parser.close()
        if not parser.pages:
            raise DatasetError(f"{file}: expected hOCR with ocr_page, got none; check --from")
        for image, texts in parser.pages:
            yield page_of(image or file.stem, texts, str(file))


class _Parser(HTMLParser):
    """Collects pages and lines; a line ends with the element that it began with."""

    def __init__(self, file: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.pages: list[tuple[str, list[LabelledText | None]]] = []
        self._file = file
        self._depth = 0
        self._line: tuple[int, str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        self._depth += 1
        given = {name: value or "" for name, value in attrs}
        classes, title = set(given.get("class", "").split()), given.get("title", "")
        if "ocr_page" in classes:
            found = _IMAGE.search(title)
            self.pages.append((next(filter(None, found.groups()), "") if found else "", []))
        elif classes & _LINES and self._line is None:
            place = _BOX.search(title)
            if place is None or not self.pages:
                raise DatasetError(
                    f"{self._file}:{self.getpos()[0]}: expected a line with a bbox on a page, got "
                    f"{title[:60]!r}"
                )
            self._line = self._depth, place[1], []

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._line is not None and self._depth == self._line[0]:
            where = f"{self._file}:{self.getpos()[0]}"
            _, place, texts = self._line
            corners = box(*numbers_in(place, where))
            self.pages[-1][1].append(labelled(corners, "".join(texts), where))
            self._line = None
        self._depth = max(0, self._depth - 1)

    def handle_data(self, data: str) -> None:
        if self._line is not None:
            self._line[2].append(data)
