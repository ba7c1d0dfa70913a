"""Prepares images for other processes: in shards, with their bytes where files are not shared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from runtime.cluster.contents import Content, Contents
from runtime.errors import ImageError
from runtime.images.pdf.source import PdfPage
from runtime.images.read import ImageSource, most_bytes, read_image, source_name
from runtime.images.sources import NamedImage, Page, Refused

_MOST_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Travelling:
    """A source in the form in which it is sent to a reader.

    Args:
        name: of the source in results, None for bytes and arrays.
        source: what the reader is given.
        content: the file that it is a page of, None where the reader finds it at its path.
    """

    name: str | None
    source: ImageSource
    content: Content | None = None

    @property
    def num_bytes(self) -> int:
        """Bytes that are sent, apart from names."""
        if isinstance(self.source, NamedImage):
            return len(self.source.data)
        if isinstance(self.source, bytes):
            return len(self.source)
        return self.source.nbytes if isinstance(self.source, np.ndarray) else 0


@dataclass(frozen=True)
class Shard:
    """Sources that a reader reads in a call.

    Args:
        start: position of the first source in the input.
        items: the sources.
        deaths: number of readers that died while they had this shard.
    """

    start: int
    items: tuple[Travelling, ...]
    deaths: int = 0

    def contents(self) -> tuple[list[int | None], list[Any]]:
        """Return the place of each source's file, and the references of the files."""
        held = {id(item.content): item.content for item in self.items if item.content}
        places = {key: place for place, key in enumerate(held)}
        references = [content.reference for content in held.values()]
        return [places.get(id(item.content)) for item in self.items], references

    def halves(self) -> tuple[Shard, Shard]:
        """Return both halves, each as a new shard."""
        middle = len(self.items) // 2
        return (
            Shard(self.start, self.items[:middle]),
            Shard(self.start + middle, self.items[middle:]),
        )


def shards_of(items: Iterable[Travelling], most_images: int) -> Iterator[Shard]:
    """Group sources into shards of `most_images`, or of fewer if they are large."""
    start, held, num_bytes = 0, list[Travelling](), 0
    content: Content | None = None
    for item in items:
        held.append(item)
        num_bytes += item.num_bytes
        if item.content is not None and item.content is not content:
            content = item.content
            num_bytes += content.num_bytes
        if len(held) == most_images or num_bytes >= _MOST_BYTES:
            yield Shard(start, tuple(held))
            start, held, num_bytes = start + len(held), [], 0
    if held:
        yield Shard(start, tuple(held))


def is_address(name: object) -> bool:
    """Tell whether a source is an address such as `s3://bucket/line.png`, not a local file."""
    return isinstance(name, str) and "://" in name and not os.path.lexists(name)


def travelling(
    source: ImageSource, with_bytes: bool, max_pixels: int, contents: Contents
) -> Travelling:
    """Convert a source so that a reader reads it as this process would.

    Args:
        source: as `read_image` takes it, or an address, which a reader fetches itself.
        with_bytes: whether to send the bytes of a file; otherwise its full path is sent.
        max_pixels: as `read_image`.
        contents: sends the files of pages.
    """
    name = source_name(source)
    if isinstance(source, str | Path) and not is_address(source):
        path = os.path.abspath(source) if source != "" else ""
        return Travelling(name, _with_bytes(str(source), max_pixels) if with_bytes else path)
    if isinstance(source, Page | PdfPage):
        path = source.path if source.data is not None else os.path.abspath(source.path)
        try:
            content = contents.of(source, with_bytes)
        except ImageError as error:
            return Travelling(name, Refused(str(name), str(error)))
        return Travelling(name, replace(source, path=path, data=None), content)
    return Travelling(name, source)


def _with_bytes(path: str, max_pixels: int) -> ImageSource:
    """Read a file, or the reason why it cannot be read, which a reader could not find out."""
    try:
        if os.path.isfile(path) and os.path.getsize(path) <= most_bytes(max_pixels):
            return NamedImage(path, Path(path).read_bytes())
        return _as_png(path, max_pixels)  # which says why it is no image file
    except OSError as error:
        return Refused(path, f"cannot be opened: {error.strerror}")


def _as_png(name: str, max_pixels: int) -> NamedImage | Refused:
    """Read an image and encode it as PNG, without loss: it is 8 bits deep and opaque by then."""
    try:
        pixels = read_image(name, max_pixels)
    except ImageError as error:
        return Refused(name, str(error).removeprefix(f"{name}: "))
    return NamedImage(name, cv2.imencode(".png", pixels)[1].tobytes())
