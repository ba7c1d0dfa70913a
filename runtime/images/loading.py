"""Whatever happens to one image costs that image alone: from a source to pixels, or a reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError, OcrError
from runtime.images.pdf.pages import render_page
from runtime.images.pdf.source import PdfPage
from runtime.images.read import ImageSource, read_bytes, read_image, source_name
from runtime.images.sources import NamedImage, Page, pages_in


class LoadedImage(NamedTuple):
    """An image as it was read.

    Args:
        pixels: BGR uint8 [h, w, 3].
        source: its path, None if it was not given as one.
        warnings: what may spoil the result.
        px_per_inch: of a page that was rendered, None for images.
    """

    pixels: NDArray[np.uint8]
    source: str | None
    warnings: tuple[str, ...] = ()
    px_per_inch: float | None = None


def num_bytes_of(source: ImageSource) -> int:
    """Count the bytes that a source holds in memory before it is read; 0 where it is a name."""
    if isinstance(source, NamedImage):
        return len(source.data)
    if isinstance(source, Page | PdfPage):
        return len(source.data or b"") if source.number == 0 else 0  # its pages share the bytes
    if isinstance(source, np.ndarray | memoryview):
        return source.nbytes
    return len(source) if isinstance(source, bytes | bytearray) else 0


def require_several(images: object, instead: str) -> None:
    """Refuse a single image where several are expected.

    Args:
        images: what was given.
        instead: what to write instead, for the message.

    Raises:
        OcrError: with what to write instead.
    """
    single = str | Path | bytes | bytearray | memoryview | np.ndarray | NamedImage | Page | PdfPage
    kind = type(images)
    is_iterable = hasattr(kind, "__iter__") or hasattr(kind, "__getitem__")
    if isinstance(images, single) or not is_iterable:
        remedy = "name the images" if images is None else f"write {instead}"
        raise OcrError(f"expected several images, got a single {kind.__name__}; {remedy}")


def load_image(source: ImageSource, max_pixels: int) -> LoadedImage:
    """Read an image.

    Args:
        source, max_pixels: as `read_image`.

    Raises:
        ImageError: saying why it cannot be read, whatever the reason is; the source is not named.
    """
    name = source_name(source)
    try:
        if isinstance(source, PdfPage):
            pixels, px_per_inch, warnings = render_page(source, max_pixels)
            return LoadedImage(pixels, name, warnings, px_per_inch)
        remedy = "pass each of them as a file of its own"
        if isinstance(source, str | Path) and name is not None:
            remedy = "runtime.sources_from([path]) gives each of them"
            source = NamedImage(name, read_bytes(name, max_pixels))  # a file is opened once
        return LoadedImage(read_image(source, max_pixels), name, _page_warnings(source, remedy))
    except ImageError as error:
        # The result has its own field for the source, so that the reason need not name it again.
        raise ImageError(str(error).removeprefix(f"{name}: ")) from error
    except Exception as error:
        raise unforeseen(error) from error


@contextmanager
def resizing(image: LoadedImage) -> Iterator[None]:
    """Turn what goes wrong in a block that resizes an image into an `ImageError` with its size."""
    height_px, width_px = image.pixels.shape[:2]
    try:
        yield
    except cv2.error as error:
        reason = " ".join(str(error).split())
        raise ImageError(
            f"OpenCV cannot resize an image of {width_px} x {height_px} px: {reason}"
        ) from error
    except Exception as error:
        raise unforeseen(error) from error


def unforeseen(error: Exception) -> ImageError:
    """Say why an image cannot be read, where nobody foresaw it."""
    if isinstance(error, MemoryError):
        return ImageError("no memory is left to read it; lower --max-pixels (max_pixels)")
    reason = " ".join(str(error).split())[:300]
    return ImageError(f"cannot be read: {type(error).__name__}: {reason}")


def _page_warnings(source: ImageSource, remedy: str) -> tuple[str, ...]:
    """Warn of pages besides the one that is read; a `Page` is asked for as such."""
    if isinstance(source, NamedImage):
        source = source.data
    if not isinstance(source, bytes | bytearray | memoryview):
        return ()
    try:
        count = len(pages_in(bytes(source)))
    except Exception:
        return ()  # the image has been read; what else its file holds remains unknown
    return (f"1 of {count} pages read; {remedy}",) if count > 1 else ()
