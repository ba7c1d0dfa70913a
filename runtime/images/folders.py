"""Finds image files in folders, and those that a pattern matches, by their suffixes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Suffixes = frozenset[str]

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpf", ".jpg",
    ".jpx", ".mpo", ".pam", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})
# fmt: on
"""Suffixes, in lower case, by which `find_images` recognises an image in a folder."""


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


def images_of(name: str, left_out: LeftOut, suffixes: Suffixes) -> Iterator[str]:
    """Yield the images that a folder or a pattern stands for; none for another name.

    Args:
        name: of a folder, or a pattern.
        left_out: counts the files that are skipped for their names.
        suffixes: of images, in lower case.
    """
    if "\0" in name:
        return  # no path: the functions below would raise ValueError
    if os.path.isdir(name):
        yield from _images_in_folder(name, left_out, suffixes)
    elif not os.path.lexists(name) and glob.has_magic(name):
        for path in sorted(filter(os.path.isfile, glob.iglob(name, recursive=True))):
            if _has_suffix(path, suffixes):
                yield path
            else:
                left_out.add(path)


def _images_in_folder(folder: str, left_out: LeftOut, suffixes: Suffixes) -> Iterator[str]:
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
        elif _has_suffix(entry.name, suffixes):
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


def _has_suffix(name: str, suffixes: Suffixes) -> bool:
    return os.path.splitext(name)[1].lower() in suffixes
