"""From what the user names (files, folders, patterns, lists, pages) to single images."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import ArtifactError
from runtime.image_pages import HEAD_BYTES, may_have_pages, page_numbers

MOST_PAGES = 1000
"""A file with more is refused: to come to a late frame, all before it are decoded."""

MOST_BYTES = 2**30
"""Of a file, within which pages are looked for."""

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
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


def sources_from(names: Iterable[str]) -> Iterator[str | Page | Refused]:
    """The images that names stand for, as `find_images`, with every page of a file by itself.

    Args:
        names: files, folders and patterns; `@file` stands for the names that a file lists.
    """
    for path in find_images(_names_from(names)):
        numbers = _page_numbers(path)
        if len(numbers) > MOST_PAGES:
            yield Refused(path, f"{len(numbers)} pages or frames, expected at most {MOST_PAGES}")
        elif numbers:
            yield from (Page(path, number) for number in numbers)
        else:
            yield path


def listed_names(path: str) -> Iterator[str]:
    """The names in a file that lists one a line; empty lines are passed over.

    Raises:
        ArtifactError: if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            yield from names_from_lines(file)
    except OSError as error:
        raise ArtifactError(
            f"cannot read the list {path}: {error.strerror}; expected a file of names, one a line"
        ) from error


def names_from_lines(lines: Iterable[bytes]) -> Iterator[str]:
    """File names, in whatever encoding, from lines."""
    return (os.fsdecode(name) for line in lines if (name := line.rstrip(b"\r\n")))


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
        name = os.fspath(path)
        found = False
        for one in _images_of(name):
            found = True
            yield one
        if not found:
            yield name


def _names_from(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name.startswith("@") and not os.path.lexists(name):
            yield from listed_names(name[1:])
        else:
            yield name


def _page_numbers(path: str) -> Sequence[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ()
            head = file.read(HEAD_BYTES)
            return page_numbers(head + file.read(MOST_BYTES)) if may_have_pages(head) else ()
    except (OSError, ValueError):
        return ()  # `read_image` meets the same obstacle, and says so


def _images_of(name: str) -> Iterator[str]:
    if os.path.isdir(name):
        yield from _images_in_folder(name)
    elif not os.path.lexists(name) and glob.has_magic(name):
        matches = glob.iglob(name, recursive=True)
        yield from sorted(one for one in matches if _has_image_suffix(one) and os.path.isfile(one))


def _images_in_folder(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        # Named on a line of its own by `read_image`, which meets the same obstacle.
        yield folder
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _images_in_folder(entry.path)
        elif _has_image_suffix(entry.name) and not _leads_to_folder(entry):
            yield entry.path


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    # `entry.is_dir()` raises for a link that leads to itself.
    return entry.is_symlink() and os.path.isdir(entry.path)


def _has_image_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
