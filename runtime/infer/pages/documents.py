"""Writes documents of pages: one of all pages, or some for each file."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from runtime.errors import ArtifactError, OcrError
from runtime.files import write_atomically, written_atomically
from runtime.images.pdf.source import PdfPage
from runtime.images.read import ImageSource, source_name
from runtime.images.sources import Page
from runtime.infer.pages.names import Names
from runtime.pages.formats.kinds import FORMATS
from runtime.pages.formats.paddleocr import paddleocr_record
from runtime.pages.result import PageText
from runtime.pages.searchable.document import SearchablePdf
from runtime.program import tell

_PDF, _PADDLEOCR = "pdf", "paddleocr"
_RECORDS = "_res.json"


class _Document(Protocol):
    """A document on its way."""

    problems: list[str]

    def take(self, source: ImageSource, page: PageText) -> None:
        """Add a page."""

    def finish(self) -> None:
        """Give it its name."""

    def abandon(self) -> None:
        """Leave nothing of it."""


class Documents:
    """Writes what `--output-dir`, or an `--output` that is written whole, names.

    A document gets its name once all its pages are read; a run that ends before leaves what stood
    there.

    Args:
        arguments: the command line.
        max_pixels: of a picture.
    """

    def __init__(self, arguments: Namespace, max_pixels: int) -> None:
        self._arguments, self._max_pixels = arguments, max_pixels
        self._file: str | None = None
        self._open: list[_Document] = []
        self._names: Names | None = None
        if arguments.output_dir is not None:
            self._names = Names(Path(arguments.output_dir), getattr(arguments, "paths", ()))
        self.num_failed = 0
        self._whole: _Document | None = None
        if arguments.document is not None:
            path = Path(arguments.document)
            self._whole = self._begun(arguments.document_kind, path, None)

    def take(self, source: ImageSource, page: PageText) -> None:
        """Pass a page on.

        Raises:
            OcrError: if a document cannot be written, or would take the place of what is read.
        """
        if self._whole is not None:
            self._check(source, Path(self._arguments.document))
            self._whole.take(source, page)
        if self._arguments.output_dir is None:
            return
        file = _file_of(source, page)
        if file != self._file or not self._open:
            self._finish_open()
            self._file = file
            self._open = list(self._documents_of(source, file))
        for document in self._open:
            document.take(source, page)

    def close(self, is_complete: bool) -> None:
        """End the documents.

        Args:
            is_complete: whether all pages have been read.
        """
        if not is_complete:
            if self._whole is not None:
                tell("infer", f"{self._arguments.document} is not written: not all pages are read")
            self.abandon()
            return
        self._finish_open()
        if self._whole is not None:
            whole, self._whole = self._whole, None
            self._finish(whole)

    def abandon(self) -> None:
        """Leave nothing of what is not finished."""
        for document in [*self._open, *filter(None, [self._whole])]:
            document.abandon()
        self._open, self._whole = [], None

    def summary(self) -> str:
        """Return where documents are written."""
        places = (self._arguments.document, self._arguments.output_dir)
        return "; written: " + ", ".join(str(place) for place in places if place is not None)

    def __enter__(self) -> Documents:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def _documents_of(self, source: ImageSource, file: str) -> Iterator[_Document]:
        """Begin the documents of a file."""
        names = self._names
        assert names is not None
        kinds = self._arguments.output_formats
        wanted = names.stem_of(file)
        stem = names.free(wanted, [_suffix_of(kind) for kind in kinds])
        if stem != wanted and not getattr(self._arguments, "quiet", False):
            tell("infer", f"{file} is written as {stem}: another file of its name came before")
        for kind in kinds:
            path = names.path(stem, _suffix_of(kind))
            self._check(source, path)
            if kind == _PADDLEOCR:
                yield _PaddleOcrFiles(names, stem)
            else:
                yield self._begun(kind, path, file)

    def _begun(self, kind: str, path: Path, file: str | None) -> _Document:
        if kind == _PDF:
            return SearchablePdf(path, self._max_pixels)
        return _TextDocument(kind, path, file)

    def _check(self, source: ImageSource, path: Path) -> None:
        """Refuse to write a document over the file that it is made of."""
        name = source.path if isinstance(source, PdfPage | Page) else source
        if not isinstance(name, str | Path) or not (path.exists() and os.path.exists(name)):
            return
        if os.path.samefile(name, path):
            raise OcrError(
                f"{path} would be written over the file that is read; name another place"
            )

    def _finish_open(self) -> None:
        documents, self._open = self._open, []
        for document in documents:
            self._finish(document)

    def _finish(self, document: _Document) -> None:
        document.finish()
        for problem in document.problems:
            tell("infer", problem)
        self.num_failed += bool(document.problems)


class _TextDocument:
    """A document of text."""

    def __init__(self, kind: str, path: Path, file: str | None) -> None:
        self._format, self._number = FORMATS[kind], 0
        self.problems: list[str] = []
        self._stack = ExitStack()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtifactError(
                f"cannot make the folder {path.parent}: {error.strerror}"
            ) from error
        self._stream = self._stack.enter_context(written_atomically(path))
        self._stream.write(self._format.begin(file))

    def take(self, source: ImageSource, page: PageText) -> None:
        self._number += 1
        self._stream.write(self._format.page(page, self._number))

    def finish(self) -> None:
        with self._stack:
            self._stream.write(self._format.end())

    def abandon(self) -> None:
        stopped = KeyboardInterrupt()
        self._stack.__exit__(KeyboardInterrupt, stopped, None)


class _PaddleOcrFiles:
    """A file for each page, named as PaddleOCR names them."""

    def __init__(self, names: Names, stem: str) -> None:
        self._names, self._stem = names, stem
        self.problems: list[str] = []

    def take(self, source: ImageSource, page: PageText) -> None:
        stem = self._stem
        if page.page is not None:  # free already without a number
            stem = self._names.free(f"{stem}_{page.page - 1}", [_RECORDS])
        path = self._names.path(stem, _RECORDS)
        text = json.dumps(paddleocr_record(page), ensure_ascii=False, indent=4)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise ArtifactError(f"cannot write {path}: {error.strerror}; make room") from error

    def finish(self) -> None:
        pass

    def abandon(self) -> None:
        pass


def _suffix_of(kind: str) -> str:
    """Return how names of a document's files end."""
    if kind == _PADDLEOCR:
        return _RECORDS
    return ".pdf" if kind == _PDF else FORMATS[kind].suffix


def _file_of(source: ImageSource, page: PageText) -> str:
    """Return the name of the file that a page is of."""
    if isinstance(source, PdfPage | Page):
        return source.path
    return source_name(source) or page.source or "page"
