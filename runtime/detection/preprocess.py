"""Converts images to a detector's input, for training, evaluation and serving alike.

Source: PaddleOCR `operators.DetResizeForTest`, `operators.NormalizeImage`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.fields import Field, check_fields, choice, optional, whole

Image = NDArray[np.uint8]
Pixels = NDArray[np.float32]
LimitType = Literal["min", "max", "resize_long"]

STRIDE_PX = 32
_LONG_STRIDE_PX = 128
_SMALLEST_SUM_PX = 64
MOST_SIDE_PX = 16_384
MOST_PIXELS = 2**25
_SIDE = whole(1, MOST_SIDE_PX)


def _is_pair(shape: Any) -> bool:
    return isinstance(shape, list | tuple) and len(shape) == 2 and all(map(_SIDE.accepts, shape))


SIZE_FIELDS: dict[str, Field] = {
    "limit_side_len": optional(_SIDE),
    "limit_type": choice(*get_args(LimitType)),
    "resize_long": optional(_SIDE),
    "image_shape": Field(
        f"height and width from 1 to {MOST_SIDE_PX}, or null",
        lambda shape: shape is None or _is_pair(shape),
    ),
    "keep_ratio": choice(False, True),
    "max_side_limit": whole(STRIDE_PX, MOST_SIDE_PX),
}


class Sizes(Protocol):
    """Tells an input size."""

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width in px of the input for an image of that size."""


@dataclass(frozen=True)
class SizePolicy:
    """How the input size follows from an image's, by PaddleOCR's names and with its defaults.

    `image_shape` counts before `limit_side_len`, and that before `resize_long`; where none is
    given, the shorter side has at least 736 px.

    Args:
        limit_side_len: in px, for the side that `limit_type` names; rounded to a multiple of 32.
        limit_type: the shorter side has at least so much (`min`), the longer at most (`max`), the
            longer exactly (`resize_long`).
        resize_long: of the longer side in px; both are rounded up to a multiple of 128.
        image_shape: height and width in px.
        keep_ratio: let the width follow from the height of `image_shape`, up to 2^25 px in all.
        max_side_limit: where `limit_side_len` decides, no side has more px.

    Raises:
        ArtifactError: if an option is out of range.
    """

    limit_side_len: int | None = None
    limit_type: LimitType = "min"
    resize_long: int | None = None
    image_shape: Sequence[int] | None = None
    keep_ratio: bool = False
    max_side_limit: int = 4000

    def __post_init__(self) -> None:
        remedy = "give it as PaddleOCR's DetResizeForTest does"
        check_fields(vars(self), SIZE_FIELDS, "impossible input sizes", remedy)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width in px of the input for an image of that size."""
        if self.image_shape is not None:
            input_height, input_width = self.image_shape
            if self.keep_ratio:
                input_width = _next_multiple(width * input_height / height, STRIDE_PX)
                input_width = min(
                    input_width, _next_multiple(MOST_PIXELS / input_height, STRIDE_PX)
                )
            return input_height, input_width
        if self.limit_side_len is None and self.resize_long is not None:
            ratio = self.resize_long / max(height, width)
            input_height = _next_multiple(int(height * ratio), _LONG_STRIDE_PX)
            return input_height, _next_multiple(int(width * ratio), _LONG_STRIDE_PX)
        ratio = self._limiting_ratio(height, width)
        height, width = int(height * ratio), int(width * ratio)
        if max(height, width) > self.max_side_limit:
            ratio = self.max_side_limit / max(height, width)
            height, width = int(height * ratio), int(width * ratio)
        return _nearest_multiple(height), _nearest_multiple(width)

    def _limiting_ratio(self, height: int, width: int) -> float:
        limit = self.limit_side_len
        limit_type = "min" if limit is None else self.limit_type
        limit = 736 if limit is None else limit
        longer, shorter = max(height, width), min(height, width)
        if limit_type == "max":
            return limit / longer if longer > limit else 1.0
        if limit_type == "min":
            return limit / shorter if shorter < limit else 1.0
        return limit / longer


def _next_multiple(side: float, stride: int) -> int:
    """Round a side up to a multiple of the stride, at least one."""
    return max(math.ceil(side / stride), 1) * stride


def _nearest_multiple(side: int) -> int:
    return max(round(side / STRIDE_PX) * STRIDE_PX, STRIDE_PX)


def resize_image(image: Image, policy: Sizes) -> tuple[Image, NDArray[np.float64]]:
    """Resize an image to a detector's input.

    An image whose sides add up to less than 64 px is padded to 32 x 32 px first, with black. As in
    PaddleOCR its shape stays that of the image without padding, while the ratios are of the padded
    one: boxes in so small an image come out too small.

    Args:
        image: uint8 [h, w, C].
        policy: gives the size.

    Returns:
        uint8 [H, W, C], and PaddleOCR's `shape`: h, w, H / h and W / w, float64 [4].
    """
    source_height, source_width = image.shape[:2]
    if source_height + source_width < _SMALLEST_SUM_PX:
        below, right = (max(STRIDE_PX - side, 0) for side in image.shape[:2])
        padded = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=0)
        image = padded.reshape(*padded.shape[:2], image.shape[2]).astype(np.uint8, copy=False)
    height, width = image.shape[:2]
    input_height, input_width = policy.input_size(height, width)
    resized = cv2.resize(image, (input_width, input_height), interpolation=cv2.INTER_LINEAR)
    resized = resized.reshape(input_height, input_width, image.shape[2])
    ratios = (input_height / height, input_width / width)
    return resized.astype(np.uint8, copy=False), np.array([source_height, source_width, *ratios])


@cache
def _normalized_levels(scale: float, mean: tuple[float, ...], std: tuple[float, ...]) -> Pixels:
    """Return the normalised value of each 8-bit level, float32 [1, 256, C]."""
    levels = np.arange(256, dtype=np.float32)[np.newaxis, :, np.newaxis] * np.float32(scale)
    normalized: Pixels = levels - np.array(mean, dtype=np.float32)
    normalized /= np.array(std, dtype=np.float32)
    normalized.setflags(write=False)
    return normalized


def normalize_image(
    image: Image, scale: float, mean: Sequence[float], std: Sequence[float]
) -> Pixels:
    """Normalise an image, `(x * scale - mean) / std`, with PaddleOCR's rounding.

    Args:
        image: uint8 [h, w, C].
        scale: of the levels, e.g. 1 / 255.
        mean, std: of each channel.

    Returns:
        float32 [h, w, C].
    """
    levels = _normalized_levels(scale, tuple(mean), tuple(std))
    return cv2.LUT(image, levels).astype(np.float32, copy=False)


def normalize_into(
    planes: Pixels, image: Image, scale: float, mean: Sequence[float], std: Sequence[float]
) -> None:
    """Normalise an image, channels first, to the same bits as `normalize_image`.

    Args:
        planes: what is written, float32 [C, h, w].
        image: uint8 [h, w, C].
        scale, mean, std: as `normalize_image`.
    """
    levels = _normalized_levels(scale, tuple(mean), tuple(std))
    for number, (plane, channel) in enumerate(zip(planes, cv2.split(image), strict=True)):
        cv2.LUT(channel, np.ascontiguousarray(levels[0, :, number]), plane)
