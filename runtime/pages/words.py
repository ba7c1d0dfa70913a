"""The words of a line, located in the page."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.pages.result import PageWord, Points
from runtime.recognition.result import Recognition


def words_of(reading: Recognition, to_page: NDArray[np.float64]) -> tuple[PageWord, ...]:
    """Return the words of a line, from the text's begin to its end.

    Args:
        reading: of the line's crop.
        to_page: perspective from px of the crop to px of the page, float64 [3, 3].
    """
    boxes = reading.character_boxes
    groups: list[list[int]] = [[]]
    for place, character in enumerate(reading.characters):
        if character.isspace():
            groups.append([])
        else:
            groups[-1].append(place)
    words = [group for group in groups if group]
    if not words:
        return ()
    corners = np.array(
        [
            _corners(
                min(boxes[place].left for place in word),
                max(boxes[place].right for place in word),
                reading.height_px,
            )
            for word in words
        ],
        dtype=np.float64,
    )
    located = cv2.perspectiveTransform(corners, to_page)
    return tuple(
        PageWord(
            "".join(reading.characters[place] for place in word),
            sum(reading.character_confidences[place] for place in word) / len(word),
            points_of(points),
        )
        for word, points in zip(words, located, strict=True)
    )


def points_of(corners: NDArray[np.generic]) -> Points:
    """Return corners [P, 2] as points, rounded to a hundredth of a px."""
    return tuple((x, y) for x, y in np.round(corners.astype(np.float64), 2).tolist())


def _corners(left: float, right: float, height: float) -> list[tuple[float, float]]:
    return [(left, 0.0), (right, 0.0), (right, height), (left, height)]
