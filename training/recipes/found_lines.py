"""Lines of labelled pages, where a page reader finds them.

A recogniser of pages gets what a detector leaves of a line: more margin or less, a stroke cut off,
a neighbour's descenders. Lines cut by their labels show none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from runtime.pages.crops import Image
from runtime.pages.reader import PageReader
from runtime.pages.result import PageLine
from runtime.recognition.scores import edit_distance
from training.detection.labels import TextPolygons
from training.detection.metrics import match_boxes

_MOST_MISREAD = 0.34
"""Share of a text's characters that may be misread for its letters to be believed capitals."""


def true_text(label: str, read: str, are_capitals: bool) -> str | None:
    """Tell what stands in a picture from its label and from what a recogniser reads.

    Args:
        label: may be in capitals whatever the picture shows.
        read: letters of the picture's own case, misread in places.
        are_capitals: whether the labels are in capitals only, so that they tell no case.

    Returns:
        The text, or None where its case cannot be known.
    """
    if not are_capitals or label.lower() == label:
        return label
    if read.casefold().split() == label.casefold().split():
        return read
    is_near = edit_distance(read.upper(), label) <= _MOST_MISREAD * len(label)
    return label if is_near and read.upper() == read else None


def found_lines(
    page: Image,
    polygons: TextPolygons,
    reader: PageReader,
    are_capitals: bool,
) -> Iterator[tuple[NDArray[np.float64], str]]:
    """List the lines that a reader finds on a page, each with the text of the label it matches.

    Args:
        page: BGR uint8 [h, w, 3].
        polygons: the page's labels; those ignored match nothing.
        reader: finds the lines, and tells the case of their letters.
        are_capitals: whether the labels are in capitals whatever the pictures show.

    Yields:
        Corners, px, float64 [4, 2], and the text.
    """
    (text,) = reader([page])
    lines: Sequence[PageLine] = [line for line in text.lines if not line.is_turned]
    outlines = [np.asarray(line.points, dtype=np.float64) for line in lines]
    matches = match_boxes(outlines, list(polygons.polys), polygons.ignored.tolist())
    for label_place, line_place in matches.pairs:
        label = " ".join(polygons.texts[label_place].split())
        truth = true_text(label, lines[line_place].text, are_capitals)
        if truth:
            yield outlines[line_place], truth
