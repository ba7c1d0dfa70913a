"""Finds the images that names stand for: files, folders, patterns, lists and pages."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import ArtifactError, ImageError
from runtime.images.pages import HEAD_BYTES, may_have_pages, page_numbers
from runtime.text_lines import lines_as_bytes, pieces_of

MOST_PAGES = 1000
"""A file with more is refused: decoding a late frame takes decoding all before it."""

MOST_BYTES = 2**30
"""Bytes of a file within which pages are looked for."""

MOST_NAME_BYTES = 2**16
"""Bound of a name in a list, twice the longest path of any system."""

_SHOWN_BYTES = 80

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpf", ".jpg",
    ".jpx", ".mpo", ".pam", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})
# fmt: on
"""Suffixes, in lower case, by which `find_images` recognises an image in a folder."""


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
        path: of the file.
        number: of the page, from 0.
    """

    path: str
    number: int

    @property
    def name(self) -> str:
        """Name in results, e.g. `scan.tif#page=2`, counted from 1 as viewers do."""
        return f"{self.path}#page={self.number + 1}"


@dataclass
class LeftOut:
    """Files of folders and patterns whose names are not those of images.

    Args:
        count: number of files.
        example: path of the first file.
    """

    count: int = 0
    example: str = ""

    def add(self, path: str) -> None:
        """Count a file."""
        self.count += 1
        self.example = self.example or path


def sources_from(
    names: Iterable[str | Refused], left_out: LeftOut | None = None
) -> Iterator[str | Page | Refused]:
    """Yield the images that names stand for, as `find_images`, with every page of a file by itself.

    Args:
        names: files, folders and patterns; `@file` stands for the names that a file lists.
        left_out: counts the files that are skipped for their names.
    """
    left_out = left_out or LeftOut()
    for name in _names_from(names):
        if isinstance(name, Refused):
            yield name
            continue
        for path in _images_or_name(name, left_out):
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


def find_images(paths: Iterable[str | Path]) -> Iterator[str]:
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

    Returns:
        paths, beginning as they were given; found while iterating, not held in memory at once.
    """
    for path in paths:
        yield from _images_or_name(os.fspath(path), LeftOut())


def pages_in(data: bytes) -> Sequence[int]:
    """Return the page numbers of an image file's bytes, as `page_numbers`."""
    return page_numbers(data) if may_have_pages(data[:HEAD_BYTES]) else ()


def _images_or_name(name: str, left_out: LeftOut) -> Iterator[str]:
    """Yield the images of a folder or pattern, or the name itself if there are none."""
    is_found = False
    for path in _images_of(name, left_out):
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


def _images_of(name: str, left_out: LeftOut) -> Iterator[str]:
    """Yield the images that a folder or a pattern stands for."""
    if "\0" in name:
        return  # no path: the functions below would raise ValueError
    if os.path.isdir(name):
        yield from _images_in_folder(name, left_out)
    elif not os.path.lexists(name) and glob.has_magic(name):
        for path in sorted(filter(os.path.isfile, glob.iglob(name, recursive=True))):
            if _has_image_suffix(path):
                yield path
            else:
                left_out.add(path)


def _images_in_folder(folder: str, left_out: LeftOut) -> Iterator[str]:
    """Yield the images in a folder and its subfolders, sorted within each folder."""
    # A stack of iterators instead of recursion: folders may nest deeper than Python's calls.
    waiting = [iter(_listing(folder))]
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
        elif isinstance(entry, str):
            yield entry  # `read_image` meets the same error and reports it
        elif entry.name.startswith("."):
            continue
        elif entry.is_dir(follow_symlinks=False):
            waiting.append(iter(_listing(entry.path)))
        elif _leads_to_folder(entry):
            continue
        elif _has_image_suffix(entry.name):
            yield entry.path
        else:
            left_out.add(entry.path)


def _listing(folder: str) -> Sequence[os.DirEntry[str] | str]:
    """Return the entries of a folder, sorted by name; the folder itself if it cannot be listed."""
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda entry: entry.name)
    except OSError:
        return [folder]


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a link to a folder."""
    # `entry.is_dir()` raises for a link that leads to itself.
    return entry.is_symlink() and os.path.isdir(entry.path)


def _has_image_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
