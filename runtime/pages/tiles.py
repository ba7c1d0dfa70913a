"""The detector's map of a whole page, put together from tiles where the page is large.

What is put together is the map, not boxes: no line is cut in two and none is found twice. Memory
is that of a map and of the tiles that run at once, whatever the page measures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.detection.detector import Detector
from runtime.detection.preprocess import STRIDE_PX, Image
from runtime.shared_work import Apply

Probability = NDArray[np.float32]

_MOST_WHOLE = 2**21
"""Pixels of an input that runs as a whole: a network takes some 150 bytes each, 0.3 GB."""
_TILE_PX = 1280
_MARGIN_PX = 64
"""At a tile's inner border the network lacks its surroundings, and the neighbour has them: some
four times the height of a line."""
_LEAST_CONTRAST = 24
"""Levels between the darkest and the brightest pixel of a tile that may hold text."""
_AREA_BELOW = 0.5
"""Shrinking further takes the mean of areas: linear interpolation would step over pixels."""


class _Tile(NamedTuple):
    """A part of the map: where it begins and ends, and which part of it is kept, in px."""

    top: int
    bottom: int
    left: int
    right: int
    kept: tuple[slice, slice]


def map_of_page(
    page: Image, size: tuple[int, int], quarter_turns: int, detector: Detector, apply: Apply
) -> Probability:
    """Tell how probable text is at each pixel of a page.

    Args:
        page: BGR uint8 [h, w, 3].
        size: H and W in px of the map, multiples of 32: the scale at which the network sees it.
        quarter_turns: how often the network's input is turned counterclockwise by 90 degrees; the
            map stands as the page does.
        detector: whose network runs.
        apply: runs the tiles.

    Returns:
        float32 [H, W].

    Raises:
        ImageError, EngineError: as `Detector.probabilities`.
    """
    tile_size = _tile_size(size, quarter_turns, detector)
    if tile_size == size:
        return _run(_resized(page, size), quarter_turns, detector)
    found = np.zeros(size, dtype=np.float32)

    def fill(tile: _Tile) -> None:
        part = _part(page, size, tile)
        if int(part.max()) - int(part.min()) < _LEAST_CONTRAST:
            return
        seen = _run(part, quarter_turns, detector)
        rows, columns = tile.kept
        found[rows, columns] = seen[
            rows.start - tile.top : rows.stop - tile.top,
            columns.start - tile.left : columns.stop - tile.left,
        ]

    apply(fill, list(_tiles(size, tile_size)))
    return found


def _tile_size(size: tuple[int, int], quarter_turns: int, detector: Detector) -> tuple[int, int]:
    """Return height and width of the tiles of a map, as the page stands."""
    height, width = size
    if height * width > _MOST_WHOLE:
        # A long receipt gets few long tiles.
        height = min(height, max(_TILE_PX, _MOST_WHOLE // min(width, _TILE_PX)))
        width = min(width, max(_TILE_PX, _MOST_WHOLE // min(height, _TILE_PX)))
        height, width = (side // STRIDE_PX * STRIDE_PX for side in (height, width))
    fitted = _turned_size(
        detector.fitting_size(*_turned_size((height, width), quarter_turns)), quarter_turns
    )
    return min(height, fitted[0]), min(width, fitted[1])


def _turned_size(size: tuple[int, int], quarter_turns: int) -> tuple[int, int]:
    return (size[1], size[0]) if quarter_turns % 2 else size


def _tiles(size: tuple[int, int], tile_size: tuple[int, int]) -> Iterator[_Tile]:
    """Yield tiles that overlap; each pixel is kept of that one in which it lies further inside."""
    rows, columns = (
        list(_spans(side, tile_side)) for side, tile_side in zip(size, tile_size, strict=True)
    )
    for top, bottom, kept_rows in rows:
        for left, right, kept_columns in columns:
            yield _Tile(top, bottom, left, right, (kept_rows, kept_columns))


def _spans(side: int, tile_side: int) -> Iterator[tuple[int, int, slice]]:
    """Yield begin and end of the tiles along a side, and the part of each that is kept."""
    margin = min(_MARGIN_PX, tile_side // 4)
    number = max(math.ceil((side - 2 * margin) / (tile_side - 2 * margin)), 1)
    if side <= tile_side:
        number = 1
    last = side - tile_side
    begins = [round(last * place / max(number - 1, 1)) for place in range(number)]
    seams = [
        0,
        *((before + tile_side + begin) // 2 for before, begin in pairwise(begins)),
        side,
    ]
    for place, begin in enumerate(begins):
        yield begin, begin + tile_side, slice(seams[place], seams[place + 1])


def _part(page: Image, size: tuple[int, int], tile: _Tile) -> Image:
    """Cut a tile out of a page and bring it to its size; off by half a pixel at most."""
    ratios = page.shape[0] / size[0], page.shape[1] / size[1]
    top, bottom = (round(side * ratios[0]) for side in (tile.top, tile.bottom))
    left, right = (round(side * ratios[1]) for side in (tile.left, tile.right))
    part = page[top : max(bottom, top + 1), left : max(right, left + 1)]
    return _resized(part, (tile.bottom - tile.top, tile.right - tile.left))


def _resized(image: Image, size: tuple[int, int]) -> Image:
    """Resize an image as detectors were trained on, and without aliasing where it is far."""
    if image.shape[:2] == size:
        return image
    ratio = min(size[0] / image.shape[0], size[1] / image.shape[1])
    method = cv2.INTER_AREA if ratio < _AREA_BELOW else cv2.INTER_LINEAR
    resized = cv2.resize(image, (size[1], size[0]), interpolation=method)
    return resized.astype(np.uint8, copy=False)


def _run(image: Image, quarter_turns: int, detector: Detector) -> Probability:
    """Run an input turned, padded with its border to what the network takes."""
    turned = np.rot90(image, quarter_turns)
    height, width = turned.shape[:2]
    below, right = (
        max(fitted - side, 0)
        for fitted, side in zip(detector.fitting_size(height, width), (height, width), strict=True)
    )
    fed = cv2.copyMakeBorder(turned, 0, below, 0, right, cv2.BORDER_REPLICATE)
    seen = detector.probabilities(fed.astype(np.uint8, copy=False))
    return np.rot90(seen[:height, :width], -quarter_turns)
