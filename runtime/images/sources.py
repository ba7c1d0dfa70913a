"""From what the user names (files, folders, patterns, lists, pages) to single images."""

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
"""A file with more is refused: to come to a late frame, all before it are decoded."""

MOST_BYTES = 2**30
"""Of a file, within which pages are looked for."""

MOST_NAME_BYTES = 2**16
"""Of a name in a list, twice what any system takes for a path."""

_SHOWN_BYTES = 80

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpf", ".jpg",
    ".jpx", ".mpo", ".pam", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})
# fmt: on
"""Suffixes, in lower case, by which `find_images` knows an image in a folder."""


@dataclass(frozen=True)
class NamedImage:
    """An image that comes as bytes and has a name of its own, e.g. one of a stream.

    Args:
        name: under which results speak of it.
        data: the bytes of an image file.
    """

    name: str
    data: bytes


@dataclass(frozen=True)
class Refused:
    """A source that cannot be read, for a reason found while looking for it.

    Args:
        name: under which results speak of it.
        reason: what is wrong with it.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Page:
    """One page of a file that holds several, or one frame of an animation.

    Args:
        path: of the file.
        number: of the page, from 0.
    """

    path: str
    number: int

    @property
    def name(self) -> str:
        """E.g. `scan.tif#page=2`, counted from 1 as viewers do."""
        return f"{self.path}#page={self.number + 1}"


@dataclass
class LeftOut:
    """Files of folders and patterns that are not taken for images by their names.

    Args:
        count: how many.
        example: the first of them.
    """

    count: int = 0
    example: str = ""

    def add(self, path: str) -> None:
        """Count one."""
        self.count += 1
        self.example = self.example or path


def sources_from(
    names: Iterable[str | Refused], left_out: LeftOut | None = None
) -> Iterator[str | Page | Refused]:
    """The images that names stand for, as `find_images`, with every page of a file by itself.

    Args:
        names: files, folders and patterns; `@file` stands for the names that a file lists.
        left_out: counts the files that are passed over by their names.
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
    """The names in a file that lists one a line; empty lines are passed over.

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
    """File names, in whatever encoding, from lines; a byte-order mark tells UTF-16.

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
    """Image paths that files, folders and patterns stand for, one by one, in the order given.

    - A file is taken whatever its suffix, hidden or not, and as often as it is named.
    - A folder gives the files in it and in its folders that have an image's suffix, in any
      case, sorted by name within each folder; hidden files and folders are skipped and links to
      folders are not followed.
    - A pattern (`*`, `?`, `[...]`, and `**` for any depth) gives the files with an image's
      suffix that it matches, sorted. A file whose name looks like a pattern is that file.
    - What names nothing, or a folder or pattern without images, is handed on as it stands:
      `read_image` then says what is wrong with it, and the others are unaffected.

    Args:
        paths: files, folders and patterns.

    Returns:
        paths, beginning as they were given; found while iterating, not held in memory at once.
    """
    for path in paths:
        yield from _images_or_name(os.fspath(path), LeftOut())


def pages_in(data: bytes) -> Sequence[int]:
    """The pages or frames of an image file's bytes, as `page_numbers`."""
    return page_numbers(data) if may_have_pages(data[:HEAD_BYTES]) else ()


def _images_or_name(name: str, left_out: LeftOut) -> Iterator[str]:
    is_found = False
    for path in _images_of(name, left_out):
        is_found = True
        yield path
    if not is_found:
        yield name


def _names_from(names: Iterable[str | Refused]) -> Iterator[str | Refused]:
    for name in names:
        if isinstance(name, str) and name.startswith("@") and not os.path.lexists(name):
            yield from listed_names(name[1:])
        else:
            yield name


def file_pages(path: str | Path) -> Sequence[int]:
    """The pages or frames of an image file, as `page_numbers`; none of one that cannot be read.

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
            # As much as the file is long: what is asked for is allocated before it is read.
            return page_numbers(head + file.read(min(found.st_size, MOST_BYTES)))
    except (OSError, ValueError):
        return ()  # `read_image` meets the same obstacle, and says so


def _images_of(name: str, left_out: LeftOut) -> Iterator[str]:
    if "\0" in name:
        return  # no path: what looks for it would not be told so, but fail
    if os.path.isdir(name):
        yield from _images_in_folder(name, left_out)
    elif not os.path.lexists(name) and glob.has_magic(name):
        for path in sorted(filter(os.path.isfile, glob.iglob(name, recursive=True))):
            if _has_image_suffix(path):
                yield path
            else:
                left_out.add(path)


def _images_in_folder(folder: str, left_out: LeftOut) -> Iterator[str]:
    # A stack of what is still to come in each folder: a path has room for more folders within
    # one another than Python has for calls.
    waiting = [iter(_listing(folder))]
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
        elif isinstance(entry, str):
            # Named on a line of its own by `read_image`, which meets the same obstacle.
            yield entry
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
    """What is in a folder, sorted by name; the folder itself if that cannot be told."""
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda entry: entry.name)
    except OSError:
        return [folder]


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    # `entry.is_dir()` raises for a link that leads to itself.
    return entry.is_symlink() and os.path.isdir(entry.path)


def _has_image_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
