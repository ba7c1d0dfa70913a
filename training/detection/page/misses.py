"""Why texts of a page were not found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from training.detection.metrics import overlapping

NOT_SEEN = "nothing found there"
RUN_TOGETHER = "in one box with other texts"
IN_PIECES = "in several boxes"
OTHER_SIZE = "in a box much larger or smaller"
REASONS = (NOT_SEEN, RUN_TOGETHER, IN_PIECES, OTHER_SIZE)

_TOUCHED, _MOSTLY = 0.1, 0.5
"""Shares of an area; the second is what the matching asks of intersection over union."""


def why_missed(missed: Iterable[int], polys: Sequence[Any], boxes: Sequence[Any]) -> dict[int, str]:
    """Tell why no box matches some of a page's texts.

    Args:
        missed: places of these texts.
        polys: corners (x, y) in px of all texts, [P, 2] each, that do not cross themselves.
        boxes: corners of what was found, [P, 2] each.

    Returns:
        one of `REASONS` for each place.
    """
    places = list(missed)
    found, texts = _shapes(boxes), _shapes(polys)
    covered = _shares(texts, found)
    inside = _shares(found, texts).T
    covers_several = (covered > _MOSTLY).sum(axis=0) > 1
    return {place: _reason(covered[place], inside[place], covers_several) for place in places}


def _reason(
    covered: NDArray[np.float64], inside: NDArray[np.float64], covers_several: NDArray[np.bool_]
) -> str:
    """Name the reason of one text.

    Args:
        covered: share of the text that each box covers, [K].
        inside: share of each box that lies in the text, [K].
        covers_several: whether each box covers most of more than one text, [K].
    """
    if not (covered > _TOUCHED).any() and not (inside > _MOSTLY).any():
        return NOT_SEEN
    if ((covered > _MOSTLY) & covers_several).any():
        return RUN_TOGETHER
    if ((inside > _MOSTLY) & (covered > 0)).sum() > 1:
        return IN_PIECES
    return OTHER_SIZE


def _shapes(polygons: Sequence[Any]) -> NDArray[np.object_]:
    """Return the convex hulls of polygons, which are valid whatever the corners are."""
    corners = [shapely.multipoints(np.asarray(points, dtype=np.float64)) for points in polygons]
    hulls: NDArray[np.object_] = shapely.convex_hull(np.array(corners, dtype=object))
    return hulls


def _shares(shapes: NDArray[np.object_], others: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the share of each shape's area that each other one covers, [K, M]."""
    result = np.zeros((len(shapes), len(others)))
    rows, columns = overlapping(shapes, others)
    areas = shapely.area(shapes[rows])
    shared = shapely.area(shapely.intersection(shapes[rows], others[columns]))
    result[rows, columns] = np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)
    return result
