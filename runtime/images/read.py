"""Reads an image from a path, bytes or an array as BGR, in the way that a viewer shows it."""

from __future__ import annotations

import glob
import os
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.images import tiff as tiff_header
from runtime.images.decoders import decode_elsewhere
from runtime.images.decoding import decode_image, not_an_image
from runtime.images.pdf.pages import render_page
from runtime.images.pdf.source import PdfPage, is_named_pdf, is_pdf, no_pdf
from runtime.images.pillow import array_from_pillow, is_pillow_image
from runtime.images.pixels import bgr_from_array, check_size
from runtime.images.size import size_in_header
from runtime.images.sources import (
    IMAGE_SUFFIXES,
    MOST_PAGES,
    NamedImage,
    Page,
    Refused,
    find_images,
)
from runtime.images.structure import is_bounded

__all__ = ["DEFAULT_MAX_PIXELS", "ImageSource", "find_images", "read_image", "source_name"]

ImageSource = (
    str
    | Path
    | bytes
    | NamedImage
    | Page
    | PdfPage
    | Refused
    | NDArray[np.uint8]
    | NDArray[np.uint16]
)
"""A path, the bytes of an image file, these with a name, a page, or an array in BGR order."""

DEFAULT_MAX_PIXELS = 64 * 2**20
"""Larger images are refused: they take 0.2 GB, while a line of text has well below 1 M pixels."""

_MOST_BYTES_PER_PIXEL = 16
_MOST_OF_METADATA = 2**24
_HEAD_BYTES = 1024


def source_name(source: object) -> str | None:
    """Return the path or the name of a source; None for bytes and arrays."""
    if isinstance(source, NamedImage | Page | PdfPage | Refused):
        return source.name
    return os.fspath(source) if isinstance(source, str | Path) else None


def read_image(source: ImageSource, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
    """Read an image upright, opaque and 8 bits deep.

    EXIF orientation is applied, 16-bit levels are scaled, grey becomes BGR, and transparent parts
    become white. Of a file with several pages or frames the first is read, unless the source is a
    `Page`.

    Args:
        source: a path; the bytes of an image file; either of these as a `NamedImage` or `Page`;
            a `PdfPage`; an image of Pillow; or an array, uint8 or uint16, [h, w], [h, w, 1],
            [h, w, 3] in BGR order or [h, w, 4] in BGRA order.
        max_pixels: h x w at most; a larger image is refused, a file before it is decoded.

    Returns:
        BGR uint8 [h, w, 3]. An array that has this form already is returned uncopied.

    A file whose header does not bound the work of decoding it (TIFF, JPEG 2000, AVIF, GIF,
    animations, lossless WebP, JPEGs of many scans) is decoded in a process of its own, for
    a bounded time and in bounded memory.

    Raises:
        ImageError: naming the file and the reason, for any error.
    """
    name = source_name(source)
    try:
        return _read(source, name, max_pixels)
    except Exception as error:
        reason = _reason_of(error)
        raise ImageError(reason if name is None else f"{name}: {reason}") from error


def _reason_of(error: Exception) -> str:
    """Return the reason that an error gives; any type of error must cost a single image only."""
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, MemoryError):
        return "no memory is left to read it; lower --max-pixels"
    return f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())}"


def most_bytes(max_pixels: int) -> int:
    """Return the length in bytes that the file of an image of `max_pixels` may have."""
    return max_pixels * _MOST_BYTES_PER_PIXEL + _MOST_OF_METADATA


def _read(source: ImageSource, name: str | None, max_pixels: int) -> NDArray[np.uint8]:
    """Read a source by its type."""
    if isinstance(source, np.ndarray):
        if source.ndim >= 2:
            check_size(source.shape[1], source.shape[0], max_pixels)
        return bgr_from_array(source)
    if isinstance(source, Page):
        data = read_bytes(source.path, max_pixels) if source.data is None else source.data
        return _bgr_from_file(data, max_pixels, source.number, source.path)
    if isinstance(source, PdfPage):
        return render_page(source, max_pixels).pixels
    if isinstance(source, Refused):
        raise ImageError(source.reason)
    if isinstance(source, NamedImage):
        return _bgr_from_file(source.data, max_pixels, name=name)
    if name is not None:
        return _bgr_from_file(read_bytes(name, max_pixels), max_pixels, name=name)
    if isinstance(source, bytes | bytearray | memoryview):
        return _bgr_from_file(bytes(source), max_pixels)
    if is_pillow_image(source):
        return bgr_from_array(array_from_pillow(source, max_pixels))
    raise ImageError(
        f"cannot read an image from {type(source).__name__}: expected a path, the bytes of an "
        "image file, an array or an image of Pillow"
    )


def read_bytes(name: str, max_pixels: int) -> bytes:
    """Read an image file whole.

    Args:
        name: its path.
        max_pixels: of the largest image that is read.

    Raises:
        ImageError: if it cannot be read, is too long, or is no file.
    """
    try:
        # Opened without blocking: a pipe without a writer would block forever.
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ImageError(_reason_against(found.st_mode, name))
            limit = most_bytes(max_pixels)
            if found.st_size > limit:
                raise ImageError(
                    f"too large: {found.st_size} bytes, expected at most {limit}; "
                    "cut the lines out of it first, or raise --max-pixels"
                )
            # No more than the length of the file: the number is allocated before reading.
            return file.read(found.st_size)
    except FileNotFoundError as error:
        raise ImageError(_reason_for_absence(name)) from error
    except IsADirectoryError as error:
        raise ImageError(_reason_against(stat.S_IFDIR, name)) from error
    except (OSError, ValueError) as error:
        # A path with a zero byte in it is a ValueError.
        reason = error.strerror if isinstance(error, OSError) else error
        if os.path.isdir(name):
            reason = "a folder that may not be listed; check its permissions"
        raise ImageError(f"cannot be opened: {reason}") from error


def _reason_against(mode: int, name: str) -> str:
    """Return why a folder, pipe or device is no image file."""
    if stat.S_ISDIR(mode):
        return _reason_for_several(name) or (
            "a folder that holds no image: expected files ending in one of "
            f"{' '.join(sorted(IMAGE_SUFFIXES))}"
        )
    if stat.S_ISFIFO(mode):
        return "a pipe, not a file: expected an image file; pass a stream with --stdin-images"
    return "a device, not a file: expected an image file"


def _reason_for_several(name: str) -> str:
    """Return why a folder or pattern that stands for images is no image; "" if it finds none."""
    if next(find_images([name])) == name:
        return ""
    return (
        "a folder or pattern, not an image: expected single images; the command line finds them "
        "by itself, in Python pass list(runtime.find_images([path]))"
    )


def _reason_for_absence(name: str) -> str:
    """Return why there is no file of this name."""
    if "://" in name:
        return "an address, not a file: nothing is fetched here; download it first"
    if os.path.lexists(name):
        return "a link that leads nowhere; check what it points to"
    if glob.has_magic(name):
        return _reason_for_several(name) or "the pattern matches no image file; check the path"
    return "no such file or folder; check the path"


def _bgr_from_file(
    data: bytes, max_pixels: int, page: int | None = None, name: str | None = None
) -> NDArray[np.uint8]:
    """Check the header of an image file, then decode it here or in a process of its own."""
    if not data:
        raise ImageError("the file is empty (0 bytes); copy it again")
    if is_pdf(data[:_HEAD_BYTES]):
        raise ImageError(
            "a PDF, not an image: its pages are read by --pages and --detect-only, in Python "
            "pass list(runtime.sources_from([path], with_pdf=True))"
        )
    size = size_in_header(data, page or 0)
    if size is None:
        raise ImageError(no_pdf(data)) if is_named_pdf(name) else not_an_image(data)
    check_size(*size, max_pixels)
    if is_bounded(data, size[0] * size[1], max_pixels):
        return decode_image(data, size, page)
    num_pixels = _num_pixels(data, size, page or 0, max_pixels)
    if page is not None and not data.startswith(tiff_header.SIGNATURES):
        max_pixels *= MOST_PAGES  # OpenCV's own limit counts the pixels of all frames
    return decode_elsewhere(data, size, page, num_pixels, max_pixels)


def _num_pixels(data: bytes, size: tuple[int, int], page: int, max_pixels: int) -> int:
    """Return how many pixels have to be decoded for a page or frame."""
    width, height = size
    if data.startswith(tiff_header.SIGNATURES):
        tile_width, tile_height = tiff_header.tile_size(data, page)
        width, height = max(width, tile_width), max(height, tile_height)
        check_size(width, height, max_pixels)
        return width * height
    num_pixels = (page + 1) * width * height
    if num_pixels > max_pixels:
        raise ImageError(
            f"too late a frame: to come to it, {page + 1} frames of {width} x {height} px are "
            f"decoded, expected at most {max_pixels} pixels; take the frames out of the animation "
            "first, or raise --max-pixels"
        )
    return num_pixels
