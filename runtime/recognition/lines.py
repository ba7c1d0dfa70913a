"""From the source of an image to a line of the network's height, and from there to the result."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.images.loading import LoadedImage, resizing
from runtime.recognition.charset import Charset
from runtime.recognition.ctc import DecodedLine
from runtime.recognition.preprocess import Image, prepare_line
from runtime.recognition.reading_order import in_reading_order
from runtime.recognition.result import Recognition
from runtime.recognition.spec import RecognizerSpec

if TYPE_CHECKING:
    from runtime.recognition.alternatives import Alternative


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


def line_of(image: LoadedImage, spec: RecognizerSpec, content_width: int | None = None) -> Line:
    """Bring an image to the network's height.

    Args:
        image: as `load_image` gives it.
        spec, content_width: as `prepare_line`.

    Raises:
        ImageError: saying why it cannot be resized.
    """
    height_px, width_px = image.pixels.shape[:2]
    with resizing(image):
        pixels = prepare_line(image.pixels, spec, content_width)
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
