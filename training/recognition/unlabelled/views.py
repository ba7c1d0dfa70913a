"""Views of a line that show the same text: as it is, narrower or wider, cropped a little."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_LEAST_STRETCH, _MOST_STRETCH = 0.06, 0.14
"""Change of the width, either way: characters come to other time steps, their shapes stay."""
_MOST_OFF_HEIGHT, _MOST_OFF_ENDS = 0.08, 0.05
"""Parts of the height that are cut off above and below, and at either end."""
_LEAST_CROPPED_PX = 4


def views_of(image: Image, count: int, seed: int) -> list[Image]:
    """Return views of a line, the plain one first: a function of the seed and the pixels alone.

    Args:
        image: BGR uint8 [h, w, 3].
        count: of the views, 1 to `MOST_VIEWS`.
        seed: of how much they are changed.
    """
    digest = hashlib.sha256(str(image.shape).encode() + np.ascontiguousarray(image).tobytes())
    rng = np.random.default_rng([seed, int.from_bytes(digest.digest()[:8], "little")])
    amount, sign = rng.uniform(_LEAST_STRETCH, _MOST_STRETCH), rng.choice([-1, 1])
    off = rng.uniform(0, 1, 4)
    views = [image]
    if count > 1:
        views.append(_stretched(image, float(1 + sign * amount)))
    if count > 2:
        views.append(_cropped(image, off))
    return views


def _stretched(image: Image, factor: float) -> Image:
    height, width = image.shape[:2]
    size = (max(1, round(width * factor)), height)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=way).astype(np.uint8, copy=False)


def _cropped(image: Image, off: NDArray[np.float64]) -> Image:
    """Cut parts, 0 .. 1 of the most, off above, below, at the beginning and at the end."""
    height, width = image.shape[:2]
    if min(height, width) < _LEAST_CROPPED_PX:
        return image
    above, below = (off[:2] * _MOST_OFF_HEIGHT * height).astype(int).tolist()
    begin, end = (off[2:] * _MOST_OFF_ENDS * min(height, width)).astype(int).tolist()
    return np.ascontiguousarray(image[above : height - below, begin : width - end])
