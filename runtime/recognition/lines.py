"""From the source of an image to a line of the network's height, and from there to the result."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.images.read import ImageSource, read_image, source_name
from runtime.images.sources import NamedImage, file_pages, pages_in
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
    """How much memory a source takes before it is read; nothing to speak of where it is a name."""
    if isinstance(source, NamedImage):
        return len(source.data)
    if isinstance(source, np.ndarray | memoryview):
        return source.nbytes
    return len(source) if isinstance(source, bytes | bytearray) else 0


def load_image(source: ImageSource, max_pixels: int) -> LoadedImage | Recognition:
    """The image, or the result that says why there is none, whatever the reason is.

    Args:
        source, max_pixels: as `read_image`.
    """
    name = source_name(source)
    try:
        return LoadedImage(read_image(source, max_pixels), name, _page_warnings(source))
    except ImageError as error:
        # The source has its own field, so that the reason need not name it again.
        return _unread(name, str(error).removeprefix(f"{name}: "))
    except Exception as error:
        return _unread(name, _unforeseen(error))


def line_of(
    image: LoadedImage, spec: RecognizerSpec, content_width: int | None = None
) -> Line | Recognition:
    """The line, or the result that says why there is none.

    Args:
        image: as `load_image` gives it.
        spec, content_width: as `prepare_line`.
    """
    height_px, width_px = image.pixels.shape[:2]
    try:
        pixels = prepare_line(image.pixels, spec, content_width)
    except cv2.error as error:
        reason = " ".join(str(error).split())
        return _unread(
            image.source, f"OpenCV cannot resize an image of {width_px} x {height_px} px: {reason}"
        )
    except Exception as error:
        return _unread(image.source, _unforeseen(error))
    squeezed = _warnings(width_px, height_px, spec.height, pixels.shape[1])
    return Line(pixels, image.source, width_px, height_px, (*image.warnings, *squeezed))


def recognition_of(
    line: Line,
    width: int,
    charset: Charset,
    path: NDArray[np.int64],
    decoded: DecodedLine,
    alternatives: tuple[Alternative, ...],
) -> Recognition:
    """The result for a line that the network has read, in reading order.

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
    """Whether the line is squeezed; PaddleOCR's rounding may take one px from it."""
    full_width = math.ceil(height * width_px / height_px)
    if full_width <= content_width + 1:
        return ()
    return (
        f"squeezed: {full_width} px wide at a height of {height} px, the model takes "
        f"{content_width} px; cut the line into shorter ones",
    )


def _page_warnings(source: ImageSource) -> tuple[str, ...]:
    """Whether a file has pages besides the one that is read; a `Page` is asked for as such."""
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


def _unforeseen(error: Exception) -> str:
    """Why an image cannot be read, where nobody foresaw it."""
    if isinstance(error, MemoryError):
        return "no memory is left to read it; lower --max-pixels (max_pixels)"
    return f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _unread(source: str | None, reason: str) -> Recognition:
    return Recognition(text="", confidence=0.0, source=source, error=reason)
