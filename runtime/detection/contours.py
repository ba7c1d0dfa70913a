"""The borders of the regions of a binary map, however many there are."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Bitmap = NDArray[np.uint8]
Contour = NDArray[np.int32]

_MOST_BORDERS = 100_000
"""A page of 4000 x 4000 px full of text has some ten thousand."""


def contours_of(bitmap: Bitmap, most: int) -> Sequence[Contour]:
    """Trace the borders of regions and of their holes, in OpenCV's order.

    A map of noise can have a border for every second pixel, which costs OpenCV gigabytes. Where
    more than 100 000 may begin, only the outer borders of the largest regions are traced: time
    and memory stay proportional to the pixels.

    Args:
        bitmap: uint8 [H, W]; what is not 0 is text.
        most: how many borders are wanted.

    Returns:
        At most `most` contours, int32 [P, 1, 2] of (x, y) in px.

    Source: PaddleOCR `db_postprocess`, `max_candidates`; Suzuki and Abe 1985.
    """
    if not bitmap.any():
        return []
    mode = cv2.RETR_LIST
    # Every border begins where a row changes, which is counted in a fraction of the time.
    num_changes = np.count_nonzero(bitmap[:, 1:] != bitmap[:, :-1]) + np.count_nonzero(bitmap[:, 0])
    if num_changes > _MOST_BORDERS and count_border_starts(bitmap) > _MOST_BORDERS:
        bitmap, mode = largest_regions(bitmap, most), cv2.RETR_EXTERNAL
    contours, _ = cv2.findContours(bitmap, mode, cv2.CHAIN_APPROX_SIMPLE)
    return [contour.astype(np.int32, copy=False) for contour in contours[:most]]


def count_border_starts(bitmap: Bitmap) -> int:
    """Count the pixels at which a border may begin: no fewer than there are borders.

    The first pixel of a region, row by row, has no text to the left and above; the first pixel of
    a hole has text to the left and above.

    Args:
        bitmap: uint8 [H, W].
    """
    height, width = bitmap.shape
    framed = np.zeros((height + 1, width + 2), dtype=np.bool_)
    framed[1:, 1:-1] = bitmap
    here, left = framed[1:, 1:-1], framed[1:, :-2]
    above, above_left, above_right = framed[:-1, 1:-1], framed[:-1, :-2], framed[:-1, 2:]
    regions = here > (left | above_left | above | above_right)
    holes = here < (left & above)
    return int(np.count_nonzero(regions)) + int(np.count_nonzero(holes))


def largest_regions(bitmap: Bitmap, most: int) -> Bitmap:
    """Keep the regions of the largest areas.

    Args:
        bitmap: uint8 [H, W].
        most: how many regions to keep.

    Returns:
        uint8 [H, W] of 0 and 1.
    """
    num_labels, labels = cv2.connectedComponents(bitmap, connectivity=8)
    areas = np.bincount(labels.ravel(), minlength=num_labels)
    areas[0] = 0  # the background
    is_kept = np.zeros(num_labels, dtype=np.uint8)
    is_kept[np.argpartition(areas, -most)[-most:] if num_labels > most else slice(None)] = 1
    is_kept[0] = 0
    return is_kept[labels]
