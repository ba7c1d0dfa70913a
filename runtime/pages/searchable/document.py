"""Writes a searchable PDF file of pages from images and PDF files.

Pictures become pages; pages of a PDF file stay as they are, and are given the text that was read
from their picture.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import runtime
from runtime.errors import ArtifactError, ImageError
from runtime.files import sha256_of, sha256_of_file
from runtime.images.pdf.pages import count_pages, look_at_page
from runtime.images.pdf.source import PdfPage
from runtime.images.read import ImageSource
from runtime.pages.result import PageText
from runtime.pages.searchable.file import PdfFile
from runtime.pages.searchable.original import TextForPages, add_text, join, require_pikepdf
from runtime.pages.searchable.picture import picture_of
from runtime.pages.searchable.text import inverse, text_operators

PX_PER_INCH = 300.0
"""Of an image that does not say how large it is."""

_POINTS_PER_INCH = 72.0
_MOST_POINTS = 14_400.0
"""Of a side: readers of PDF files go no further."""


class SearchablePdf:
    """A searchable PDF file on its way; it gets its name when it is finished.

    Args:
        path: of the file.
        max_pixels: of a picture.

    Raises:
        ArtifactError: if it cannot be written there.
    """

    def __init__(self, path: Path, max_pixels: int) -> None:
        self._path, self._max_pixels = path, max_pixels
        self._part: _Pictures | _Original | None = None
        self._parts: list[Path] = []
        self.problems: list[str] = []
        self._stack = ExitStack()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
            self._folder = Path(self._stack.enter_context(folder))
        except OSError as error:
            raise _cannot_write(path, error) from error

    def take(self, source: ImageSource, page: PageText) -> None:
        """Add a page; one that could not be read is left out, unless it is of a PDF file.

        Raises:
            ArtifactError: if the disk refuses.
            EngineError: if pikepdf is needed and not installed.
        """
        try:
            if isinstance(source, PdfPage):
                self._original_of(source).take(source, page)
            elif page.error is None:
                self._pictures().take(source, page)
        except ImageError as error:
            self.problems.append(f"{page.source}: left out of {self._path}: {error}")
        except OSError as error:
            raise _cannot_write(self._path, error) from error

    def finish(self) -> None:
        """Write the file; without any page there is none.

        Raises:
            ArtifactError: if the disk refuses.
        """
        try:
            self._end_part()
            if len(self._parts) == 1:
                os.replace(self._parts[0], self._path)
            elif self._parts:
                whole = self._folder / "whole.pdf"
                join(self._parts, whole)
                os.replace(whole, self._path)
        except ImageError as error:
            self.problems.append(f"{self._path} is not written: {error}")
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        finally:
            self._stack.close()

    def abandon(self) -> None:
        """Leave nothing of it."""
        if self._part is not None:
            self._part.close()
        self._stack.close()

    def _pictures(self) -> _Pictures:
        """Return the part that the next picture belongs to."""
        if not isinstance(self._part, _Pictures):
            self._end_part()
            self._part = _Pictures(self._next_place(), self._max_pixels)
        return self._part

    def _original_of(self, page: PdfPage) -> _Original:
        """Return the part that a page of a PDF file belongs to."""
        part = self._part
        if not (isinstance(part, _Original) and part.is_followed_by(page)):
            self._end_part()
            require_pikepdf()
            part = self._part = _Original(self._next_place(), page, self._max_pixels)
        return part

    def _next_place(self) -> Path:
        return self._folder / f"part{len(self._parts)}.pdf"

    def _end_part(self) -> None:
        """Finish the part that was begun."""
        part, self._part = self._part, None
        if part is None:
            return
        try:
            part.finish()
            self._parts.append(part.place)
        except ImageError as error:
            self.problems.append(f"{part.name}: left out of {self._path}: {error}")


class _Pictures:
    """A part of pictures."""

    name = "pictures"

    def __init__(self, place: Path, max_pixels: int) -> None:
        self.place, self._max_pixels = place, max_pixels
        self._stream = place.open("wb")
        self._file = PdfFile(self._stream, f"distilrec {runtime.__version__}")

    def take(self, source: ImageSource, page: PageText) -> None:
        picture = picture_of(source, self._max_pixels)
        scale = _POINTS_PER_INCH / (page.px_per_inch or PX_PER_INCH)
        scale = min(scale, _MOST_POINTS / max(picture.width_px, picture.height_px))
        width, height = picture.width_px * scale, picture.height_px * scale
        matrix = (scale, 0.0, 0.0, -scale, 0.0, height)
        text = text_operators(page, matrix, self._file.font)
        self._file.add_page(picture, (width, height), text)

    def finish(self) -> None:
        self._file.close()
        self.close()

    def close(self) -> None:
        self._stream.close()


class _Original:
    """A part that is a PDF file, with text added to it."""

    def __init__(self, place: Path, page: PdfPage, max_pixels: int) -> None:
        self.place, self.name, self._max_pixels = place, page.path, max_pixels
        self._data, self._last = page.data, -1
        self._spool = place.with_suffix(".text")
        name = f"Unseen{_fingerprint(page)}"
        self._stream: TextIO = self._spool.open("w", encoding="ascii")
        self._text = TextForPages(self._stream, name)

    def is_followed_by(self, page: PdfPage) -> bool:
        """Tell whether a page is a later one of the same file."""
        return (page.path, page.data) == (self.name, self._data) and page.number > self._last

    def take(self, source: PdfPage, page: PageText) -> None:
        self._last = source.number
        if page.is_from_file or page.error is not None or not page.lines:
            return
        look = look_at_page(source, self._max_pixels)
        operators = text_operators(page, inverse(look.matrix), self._text.font)
        self._text.add(source.number, operators)

    def finish(self) -> None:
        self._text.close()
        self.close()
        source = Path(self.name)
        if self._data is not None:
            source = self.place.with_suffix(".original")
            source.write_bytes(self._data)
        if self._text.num_pages:
            add_text(source, self._spool, self.place)
        else:
            count_pages(self.name, self._data)
            shutil.copyfile(source, self.place)

    def close(self) -> None:
        self._stream.close()


def _fingerprint(page: PdfPage) -> str:
    """Return what tells a PDF file from another, such as one that it was made of.

    Raises:
        ImageError: if it cannot be opened.
    """
    if page.data is not None:
        return sha256_of(page.data)[:12]
    try:
        return sha256_of_file(page.path)[:12]
    except OSError as error:
        raise ImageError(f"cannot be opened: {error.strerror}") from error


def _cannot_write(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"cannot write {path}: {error.strerror or error}; name a file in a folder that exists and "
        "may be written to, and make room"
    )
