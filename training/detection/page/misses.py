"""Why texts of a page were not found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from training.detection.metrics import Matches, overlapping

NOT_SEEN = "not seen"
RUN_TOGETHER = "run together with other texts"
IN_PIECES = "in pieces"
BADLY_FITTED = "in a box that fits badly"
NOT_JUDGED = "in a box on text that is not judged"
REASONS = (NOT_SEEN, RUN_TOGETHER, IN_PIECES, BADLY_FITTED, NOT_JUDGED)

_TOUCHED, _MOSTLY = 0.1, 0.5
"""Shares of an area."""


def why_missed(
    matches: Matches, polys: Sequence[Any], ignored: Sequence[bool], boxes: Sequence[Any]
) -> dict[int, str]:
    """Tell why no box matches some of a page's texts.

    Args:
        matches: of boxes and texts.
        polys: corners (x, y) in px of all texts, [P, 2] each.
        ignored: whether each text is not judged.
        boxes: corners of what was found, [P, 2] each.

    Returns:
        one of `REASONS` for the place of each missed text.
    """
    texts, found = _shapes(polys), _shapes(boxes)
    covered, inside = _shares(texts, found), _shares(found, texts).T
    is_matched = np.zeros(len(found), dtype=np.bool_)
    is_matched[[box for _, box in matches.pairs]] = True
    is_counted = is_matched.copy()
    is_counted[matches.extra] = True
    # Texts that count in no figure run together with none.
    others = [*(place for place, _ in matches.pairs), *matches.missed]
    others += [place for place in range(len(texts)) if ignored[place]]
    same = _shares(texts, texts)
    return {
        place: _reason(
            covered[place],
            inside[place],
            is_matched,
            is_counted,
            # A text that was labelled twice, or whose words are labelled too, is no other text.
            covered[[other for other in others if not _are_same(same, place, other)]],
        )
        for place in matches.missed
    }


def _are_same(shares: NDArray[np.float64], first: int, second: int) -> bool:
    """Tell whether most of one of two texts lies in the other, by their shares of each other."""
    return bool(max(shares[first, second], shares[second, first]) > _MOSTLY)


def _reason(
    covered: NDArray[np.float64],
    inside: NDArray[np.float64],
    is_matched: NDArray[np.bool_],
    is_counted: NDArray[np.bool_],
    others: NDArray[np.float64],
) -> str:
    """Name the reason of one text.

    Args:
        covered: share of the text that each box covers, [K].
        inside: share of each box that lies in the text, [K].
        is_matched: whether each box matches a text, [K].
        is_counted: whether each box counts, [K].
        others: share of each other text that each box covers, [M, K].
    """
    covers_both = (covered > _MOSTLY) & (others > _MOSTLY).any(axis=0)
    if (covers_both & is_counted).any():
        return RUN_TOGETHER
    if (~is_counted & (covered > _MOSTLY) & (inside > _MOSTLY)).any():
        return NOT_JUDGED
    own = is_counted & ~is_matched & (covered > _TOUCHED)
    if own.sum() > 1:
        return IN_PIECES
    if own.any():
        return BADLY_FITTED
    return NOT_SEEN


def _shapes(polygons: Iterable[Any]) -> NDArray[np.object_]:
    shapes = [_shape(np.asarray(points, dtype=np.float64)) for points in polygons]
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


def _shape(points: NDArray[np.float64]) -> shapely.Geometry:
    """Return a polygon; of one that crosses itself, or is none, the convex hull."""
    try:
        shape = shapely.Polygon(points)
    except (ValueError, shapely.errors.GEOSException):  # too few points
        shape = shapely.MultiPoint(points)
    return shape if shape.is_valid else shape.convex_hull


def _shares(shapes: NDArray[np.object_], others: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the share of each shape's area that each other one covers, [K, M]."""
    result = np.zeros((len(shapes), len(others)))
    rows, columns = overlapping(shapes, others)
    areas = shapely.area(shapes[rows])
    shared = shapely.area(shapely.intersection(shapes[rows], others[columns]))
    result[rows, columns] = np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)
    return result
