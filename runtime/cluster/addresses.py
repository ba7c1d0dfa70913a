"""Finds and fetches images at addresses (`s3://`, `gs://`, `hdfs://`, `file://`) with PyArrow."""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import lru_cache
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from runtime.errors import ArtifactError, EngineError
from runtime.images.pdf.source import SUFFIX as PDF_SUFFIX
from runtime.images.pdf.source import PdfPage
from runtime.images.read import most_bytes
from runtime.images.sources import (
    IMAGE_SUFFIXES,
    LeftOut,
    NamedImage,
    Refused,
    documents_opened,
)


def _import_fs() -> Any:
    try:
        return import_module("pyarrow.fs")
    except ImportError as error:
        raise EngineError(
            f"addresses are read with PyArrow, which cannot be imported ({error}): "
            "pip install 'distilrec[ray]'"
        ) from error


def sources_at(
    address: str, max_pixels: int, left_out: LeftOut | None = None, px_per_inch: int | None = None
) -> Iterator[str | NamedImage | PdfPage | Refused]:
    """Yield the addresses of images, as `images_at`, and the pages of PDF files.

    A PDF file is fetched here, once, for its pages to be counted.

    Args:
        address, left_out: as `images_at`.
        max_pixels: of an image; it bounds the files.
        px_per_inch: as `PdfPage`.

    Raises:
        OcrError: as `images_at`.
    """
    for found_at in images_at(address, left_out, IMAGE_SUFFIXES | {PDF_SUFFIX}):
        if PurePosixPath(urlsplit(found_at).path).suffix.lower() == PDF_SUFFIX:
            yield from documents_opened([fetched(found_at, max_pixels)], px_per_inch)
        else:
            yield found_at


def images_at(
    address: str, left_out: LeftOut | None = None, suffixes: Set[str] = IMAGE_SUFFIXES
) -> Iterator[str]:
    """Yield the addresses of the images in a folder and its subfolders, sorted, or that of a file.

    Args:
        address: of the folder or file.
        left_out: counts the files that are skipped for their names.
        suffixes: of the files that are taken.

    Raises:
        ArtifactError: if it cannot be listed.
        EngineError: if PyArrow is not installed.
    """
    fs = _import_fs()
    try:
        system, path = fs.FileSystem.from_uri(address)
        if system.get_file_info(path).type != fs.FileType.Directory:
            yield address
            return
        found = system.get_file_info(fs.FileSelector(path, recursive=True))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"cannot list {address}: {' '.join(str(error).split())[:300]}; check the address and "
            "the rights to it"
        ) from error
    root, mark, query = address.partition("?")
    for entry in sorted(found, key=lambda entry: entry.path.split("/")):
        inner = entry.path.removeprefix(path.rstrip("/")).lstrip("/")
        is_hidden = any(part.startswith(".") for part in inner.split("/"))
        if entry.type != fs.FileType.File or is_hidden:
            continue
        found_at = f"{root.rstrip('/')}/{quote(inner)}{mark}{query}"
        if f".{entry.extension.lower()}" in suffixes:
            yield found_at
        elif left_out is not None:
            left_out.add(found_at)


def fetched(address: str, max_pixels: int) -> NamedImage | Refused:
    """Fetch the file at an address, or return the reason why that is impossible."""
    try:
        system, path = _file_system(address)
        limit = most_bytes(max_pixels)
        with system.open_input_stream(path) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            return Refused(address, f"too large: expected at most {limit} bytes")
        return NamedImage(address, data)
    except FileNotFoundError:
        return Refused(address, "no such file; check the address")
    except (OSError, ValueError, EngineError) as error:
        return Refused(address, f"cannot be fetched: {' '.join(str(error).split())[:300]}")


def _file_system(address: str) -> tuple[Any, str]:
    """Return the file system and the path of an address; a connection is kept for every bucket."""
    parts = urlsplit(address)
    if not parts.netloc:
        system, path = _import_fs().FileSystem.from_uri(address)
        return system, path
    query = f"?{parts.query}" if parts.query else ""
    system, bucket = _connection(f"{parts.scheme}://{parts.netloc}{query}")
    return system, f"{bucket.rstrip('/')}{unquote(parts.path)}"


@lru_cache(maxsize=32)
def _connection(root: str) -> tuple[Any, str]:
    """Connect to a bucket; return the file system and the bucket's path in it."""
    system, path = _import_fs().FileSystem.from_uri(root)
    return system, path
