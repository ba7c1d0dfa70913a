"""From an image to a detector's input, and from there to the result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.detection.boxes import BoxOptions, find_boxes
from runtime.detection.preprocess import Image, Sizes, resize_image
from runtime.detection.result import Detection, TextBox
from runtime.images.loading import LoadedImage, resizing

_SHRUNK = 0.99


class PreparedPage(NamedTuple):
    """A page on its way to the network.

    Args:
        pixels: uint8 [H, W, 3] in the network's order of colours.
        source: path of the image, None if it was not given as one.
        width_px, height_px: size of the image.
        padded_size: height and width in px of what fills the input: the image, or the image and
            what a very small one was padded with.
        warnings: what may impair the boxes.
    """

    pixels: Image
    source: str | None
    width_px: int
    height_px: int
    padded_size: tuple[int, int]
    warnings: tuple[str, ...]


def prepare_page(
    image: LoadedImage, color_order: str, sizes: Sizes, wanted: Sizes | None = None
) -> PreparedPage:
    """Bring an image to its input size.

    Args:
        image: as `load_image` gives it.
        color_order: of the network, `BGR` or `RGB`.
        sizes: tells the input size.
        wanted: tells what it would be without the network's limits, to warn of them.

    Raises:
        ImageError: saying why it cannot be resized.
    """
    height_px, width_px = image.pixels.shape[:2]
    with resizing(image):
        pixels, (_, _, height_ratio, width_ratio) = resize_image(image.pixels, sizes)
        if color_order == "RGB":
            pixels = np.ascontiguousarray(pixels[:, :, ::-1])
    height, width = pixels.shape[:2]
    padded_size = round(height / height_ratio), round(width / width_ratio)
    warnings = image.warnings
    if wanted is not None:
        warnings = (*warnings, *_warnings((height, width), wanted.input_size(*padded_size)))
    return PreparedPage(pixels, image.source, width_px, height_px, padded_size, warnings)


def detection_of(
    page: PreparedPage, probability: NDArray[np.float32], options: BoxOptions
) -> Detection:
    """Return the result for a page that the network has seen.

    Args:
        page: as `prepare_page` gives it.
        probability: the network's map, float32 [H, W].
        options: how boxes are made of it.
    """
    height, width = page.pixels.shape[:2]
    found = find_boxes(probability, page.padded_size, options)
    corner = np.array([page.width_px, page.height_px])
    boxes = (
        TextBox(tuple(map(tuple, np.minimum(points, corner).tolist())), score)
        for points, score in zip(found.points, found.scores, strict=True)
    )
    return Detection(
        tuple(boxes),
        source=page.source,
        width_px=page.width_px,
        height_px=page.height_px,
        input_width_px=width,
        input_height_px=height,
        warnings=page.warnings,
    )


def failed(source: str | None, error: Exception) -> Detection:
    """Return the result for an image that could not be read."""
    return Detection(source=source, error=str(error))


def _warnings(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[str, ...]:
    """Warn of an input that is smaller than the sizes of the model ask for."""
    if size[0] >= wanted[0] * _SHRUNK and size[1] >= wanted[1] * _SHRUNK:
        return ()
    return (
        f"shrunk: {wanted[1]} x {wanted[0]} px wanted as input, the model takes {size[1]} x "
        f"{size[0]} px; small text may be missed",
    )
