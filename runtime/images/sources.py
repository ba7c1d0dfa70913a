"""Finds the images that names stand for: files, folders, patterns, lists and pages."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from runtime.errors import ArtifactError, ImageError
from runtime.images.folders import IMAGE_SUFFIXES, LeftOut, Suffixes, images_of
from runtime.images.pages import HEAD_BYTES, may_have_pages, page_numbers
from runtime.images.pdf.pages import count_pages, is_pdf_file
from runtime.images.pdf.source import SUFFIX as PDF_SUFFIX
from runtime.images.pdf.source import PdfPage, is_pdf
from runtime.text_lines import lines_as_bytes, pieces_of

MOST_PAGES = 1000
"""A file with more is refused: decoding a late frame takes decoding all before it."""

MOST_BYTES = 2**30
"""Bytes of a file within which pages are looked for."""

MOST_NAME_BYTES = 2**16
"""Bound of a name in a list, twice the longest path of any system."""

_SHOWN_BYTES = 80

Source = TypeVar("Source")


@dataclass(frozen=True)
class NamedImage:
    """An image given as bytes, with a name, e.g. from a stream.

    Args:
        name: of the image in results.
        data: the bytes of an image file.
    """

    name: str
    data: bytes


@dataclass(frozen=True)
class Refused:
    """A source that cannot be read, for a reason found while looking for it.

    Args:
        name: of the source in results.
        reason: why it cannot be read.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Page:
    """A page of a file that holds several, or a frame of an animation.

    Args:
        path: of the file, or its name if `data` is given.
        number: of the page, from 0.
        data: the bytes of the file, None if they are at `path`.
    """

    path: str
    number: int
    data: bytes | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name in results, e.g. `scan.tif#page=2`, counted from 1 as viewers do."""
        return f"{self.path}#page={self.number + 1}"


def sources_from(
    names: Iterable[str | Refused],
    left_out: LeftOut | None = None,
    with_pdf: bool = False,
    px_per_inch: int | None = None,
) -> Iterator[str | Page | PdfPage | Refused]:
    """Yield the images that names stand for, as `find_images`, with every page of a file by itself.

    Args:
        names: files, folders and patterns; `@file` stands for the names that a file lists.
        left_out: counts the files that are skipped for their names.
        with_pdf: whether PDF files are taken, and looked for in folders.
        px_per_inch: as `PdfPage`.
    """
    left_out = left_out or LeftOut()
    suffixes = IMAGE_SUFFIXES | {PDF_SUFFIX} if with_pdf else IMAGE_SUFFIXES
    for name in _names_from(names):
        if isinstance(name, Refused):
            yield name
            continue
        for path in _images_or_name(name, left_out, suffixes):
            if with_pdf and is_pdf_file(path):
                yield from pdf_pages(path, px_per_inch=px_per_inch)
                continue
            try:
                numbers = file_pages(path)
            except (ImageError, MemoryError) as error:
                yield Refused(path, str(error) or "no memory is left to look for pages in it")
                continue
            if len(numbers) > MOST_PAGES:
                yield Refused(
                    path, f"{len(numbers)} pages or frames, expected at most {MOST_PAGES}"
                )
            elif numbers:
                yield from (Page(path, number) for number in numbers)
            else:
                yield path


def pdf_pages(
    path: str, data: bytes | None = None, px_per_inch: int | None = None
) -> Iterator[PdfPage | Refused]:
    """Yield the pages of a PDF file, or why there are none.

    Args:
        path: of the file, or its name if `data` is given.
        data: its bytes.
        px_per_inch: as `PdfPage`.
    """
    try:
        count = count_pages(path, data)
    except ImageError as error:
        yield Refused(path, str(error))
        return
    for number in range(count):
        yield PdfPage(path, number, count == 1, px_per_inch, data)


def documents_opened(
    sources: Iterable[Source], px_per_inch: int | None = None
) -> Iterator[Source | PdfPage | Refused]:
    """Yield sources, with the pages of a PDF file in the place of its bytes.

    Args:
        sources: of images; a `NamedImage` may hold a PDF file.
        px_per_inch: as `PdfPage`.
    """
    for source in sources:
        if isinstance(source, NamedImage) and is_pdf(source.data[:HEAD_BYTES]):
            yield from pdf_pages(source.name, source.data, px_per_inch)
        else:
            yield source


def listed_names(path: str) -> Iterator[str | Refused]:
    """Yield the names in a file that lists one per line; empty lines are skipped.

    Raises:
        ArtifactError: if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            yield from names_from_lines(pieces_of(file, MOST_NAME_BYTES))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArtifactError(
            f"cannot read the list {path}: {reason}; expected a file of names, one a line"
        ) from error


def names_from_lines(pieces: Iterable[bytes]) -> Iterator[str | Refused]:
    """Yield the file names in lines of any encoding; a byte-order mark marks UTF-16.

    Args:
        pieces: as `lines_as_bytes` takes them.
    """
    for name in lines_as_bytes(pieces, MOST_NAME_BYTES):
        if len(name) > MOST_NAME_BYTES:
            shown = os.fsdecode(name[:_SHOWN_BYTES])
            yield Refused(
                f"{shown}…", f"no file's name: expected at most {MOST_NAME_BYTES} bytes in a line"
            )
        elif name:
            yield os.fsdecode(name)


def find_images(paths: Iterable[str | Path], with_pdf: bool = False) -> Iterator[str]:
    """Yield the image paths that files, folders and patterns stand for, in the order given.

    - A file is taken whatever its suffix, hidden or not, and as often as it is named.
    - A folder stands for the files in it and in its subfolders that have an image suffix, in any
      case, sorted by name within each folder; hidden files and folders are skipped and links to
      folders are not followed.
    - A pattern (`*`, `?`, `[...]`, and `**` for any depth) stands for the files with an image
      suffix that it matches, sorted. A file whose name looks like a pattern is that file.
    - A name of nothing, or a folder or pattern without images, is yielded unchanged: `read_image`
      then reports what is wrong with it, and the others are unaffected.

    Args:
        paths: files, folders and patterns.
        with_pdf: whether PDF files are looked for in folders, too.

    Returns:
        paths, beginning as they were given; found while iterating, not held in memory at once.
    """
    suffixes = IMAGE_SUFFIXES | {PDF_SUFFIX} if with_pdf else IMAGE_SUFFIXES
    for path in paths:
        yield from _images_or_name(os.fspath(path), LeftOut(), suffixes)


def pages_in(data: bytes) -> Sequence[int]:
    """Return the page numbers of an image file's bytes, as `page_numbers`."""
    return page_numbers(data) if may_have_pages(data[:HEAD_BYTES]) else ()


def _images_or_name(name: str, left_out: LeftOut, suffixes: Suffixes) -> Iterator[str]:
    """Yield the images of a folder or pattern, or the name itself if there are none."""
    is_found = False
    for path in images_of(name, left_out, suffixes):
        is_found = True
        yield path
    if not is_found:
        yield name


def _names_from(names: Iterable[str | Refused]) -> Iterator[str | Refused]:
    """Yield the names, with those that a file lists in the place of `@file`."""
    for name in names:
        if isinstance(name, str) and name.startswith("@") and not os.path.lexists(name):
            yield from listed_names(name[1:])
        else:
            yield name


def file_pages(path: str | Path) -> Sequence[int]:
    """Return the page numbers of an image file, as `page_numbers`; empty if it cannot be read.

    Raises:
        ImageError: as `page_numbers`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return ()
            head = file.read(HEAD_BYTES)
            if not may_have_pages(head):
                return ()
            # No more than the length of the file: the number is allocated before reading.
            return page_numbers(head + file.read(min(found.st_size, MOST_BYTES)))
    except (OSError, ValueError):
        return ()  # `read_image` meets the same error and reports it
