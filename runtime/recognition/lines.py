"""From the source of an image to a line of the network's height, and from there to the result."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError, OcrError
from runtime.images.read import ImageSource, read_image, source_name
from runtime.images.sources import NamedImage, Page, file_pages, pages_in
from runtime.recognition.charset import Charset
from runtime.recognition.ctc import DecodedLine
from runtime.recognition.preprocess import Image, prepare_line
from runtime.recognition.reading_order import in_reading_order
from runtime.recognition.result import Recognition
from runtime.recognition.spec import RecognizerSpec

if TYPE_CHECKING:
    from runtime.recognition.alternatives import Alternative


class LoadedImage(NamedTuple):
    """An image as it was read.

    Args:
        pixels: BGR uint8 [h, w, 3].
        source: its path, None if it was not given as one.
        warnings: what may spoil the reading.
    """

    pixels: Image
    source: str | None
    warnings: tuple[str, ...] = ()


class Line(NamedTuple):
    """A prepared line on its way to the network.

    Args:
        pixels: uint8 [H, content width, C].
        source: path of the image, None if it was not given as one.
        width_px, height_px: size of the image.
        warnings: what may spoil the reading.
    """

    pixels: Image
    source: str | None
    width_px: int
    height_px: int
    warnings: tuple[str, ...]


def num_bytes_of(source: ImageSource) -> int:
    """Count the bytes that a source holds in memory before it is read; 0 where it is a name."""
    if isinstance(source, NamedImage):
        return len(source.data)
    if isinstance(source, np.ndarray | memoryview):
        return source.nbytes
    return len(source) if isinstance(source, bytes | bytearray) else 0


def require_several(images: object) -> None:
    """Refuse a single image where several are expected.

    Raises:
        OcrError: with what to write instead.
    """
    single = str | Path | bytes | bytearray | memoryview | np.ndarray | NamedImage | Page
    kind = type(images)
    is_iterable = hasattr(kind, "__iter__") or hasattr(kind, "__getitem__")
    if isinstance(images, single) or not is_iterable:
        remedy = "name the images" if images is None else "write recognizer([image])"
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
        return LoadedImage(read_image(source, max_pixels), name, _page_warnings(source))
    except ImageError as error:
        # The result has its own field for the source, so that the reason need not name it again.
        raise ImageError(str(error).removeprefix(f"{name}: ")) from error
    except Exception as error:
        raise _unforeseen(error) from error


def line_of(image: LoadedImage, spec: RecognizerSpec, content_width: int | None = None) -> Line:
    """Bring an image to the network's height.

    Args:
        image: as `load_image` gives it.
        spec, content_width: as `prepare_line`.

    Raises:
        ImageError: saying why it cannot be resized.
    """
    height_px, width_px = image.pixels.shape[:2]
    try:
        pixels = prepare_line(image.pixels, spec, content_width)
    except cv2.error as error:
        reason = " ".join(str(error).split())
        raise ImageError(
            f"OpenCV cannot resize an image of {width_px} x {height_px} px: {reason}"
        ) from error
    except Exception as error:
        raise _unforeseen(error) from error
    squeezed = _warnings(width_px, height_px, spec.height, pixels.shape[1])
    return Line(pixels, image.source, width_px, height_px, (*image.warnings, *squeezed))


def failed(source: str | None, error: ImageError) -> Recognition:
    """Return the result for an image that could not be read."""
    return Recognition(text="", confidence=0.0, source=source, error=str(error))


def recognition_of(
    line: Line,
    width: int,
    charset: Charset,
    path: NDArray[np.int64],
    decoded: DecodedLine,
    alternatives: tuple[Alternative, ...],
) -> Recognition:
    """Return the result for a line that the network has read, in reading order.

    Args:
        line: as `line_of` gives it.
        width: of the network's input, in px.
        charset: of the network.
        path: the best class of each time step [T].
        decoded: what the path says.
        alternatives: other texts, the most probable first.
    """
    classes = path[list(decoded.time_steps)].tolist()
    recognition = Recognition(
        text=decoded.text,
        confidence=decoded.confidence,
        characters=tuple(charset.characters[index - 1] for index in classes),
        character_confidences=decoded.character_confidences,
        time_steps=decoded.time_steps,
        source=line.source,
        width_px=line.width_px,
        height_px=line.height_px,
        input_width_px=width,
        content_width_px=line.pixels.shape[1],
        num_time_steps=len(path),
        warnings=line.warnings,
        last_time_steps=decoded.last_time_steps,
        alternatives=alternatives,
    )
    return in_reading_order(recognition)


def _warnings(width_px: int, height_px: int, height: int, content_width: int) -> tuple[str, ...]:
    """Warn of a squeezed line; PaddleOCR's rounding may take one px from it."""
    full_width = math.ceil(height * width_px / height_px)
    if full_width <= content_width + 1:
        return ()
    return (
        f"squeezed: {full_width} px wide at a height of {height} px, the model takes "
        f"{content_width} px; cut the line into shorter ones",
    )


def _page_warnings(source: ImageSource) -> tuple[str, ...]:
    """Warn of pages besides the one that is read; a `Page` is asked for as such."""
    try:
        return _other_pages(source)
    except Exception:
        return ()  # the image has been read; what else its file holds remains unknown


def _other_pages(source: ImageSource) -> tuple[str, ...]:
    if isinstance(source, str | Path):
        count = len(file_pages(source))
        remedy = "runtime.sources_from([path]) gives each of them to Recognizer"
    elif isinstance(source, bytes | bytearray | memoryview | NamedImage):
        data = source.data if isinstance(source, NamedImage) else bytes(source)
        count, remedy = len(pages_in(data)), "pass each of them as a file of its own"
    else:
        return ()
    return (f"1 of {count} pages read; {remedy}",) if count > 1 else ()


def _unforeseen(error: Exception) -> ImageError:
    """Say why an image cannot be read, where nobody foresaw it."""
    if isinstance(error, MemoryError):
        return ImageError("no memory is left to read it; lower --max-pixels (max_pixels)")
    reason = " ".join(str(error).split())[:300]
    return ImageError(f"cannot be read: {type(error).__name__}: {reason}")
