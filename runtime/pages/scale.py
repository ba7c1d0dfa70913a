"""Finds the lines of a page at the scale that suits the height of its text.

A coarse pass costs little and tells how tall the lines are. Where they are tall enough in it, its
own boxes do; where they are small, or ink that looks like text lies outside the boxes, the page is
looked at again at the scale that follows.

Lines that are 13 to 20 px high in the input are found as well as at PaddleOCR's scale, which costs
several times as much: `python -m benchmarks.pages` shows words and CPU time of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.detection.boxes import find_boxes
from runtime.detection.detector import Detector
from runtime.detection.preprocess import STRIDE_PX, Image, SizePolicy
from runtime.pages.tiles import map_of_page
from runtime.shared_work import Apply

_COARSE_PX = 640
"""Longer side of the first pass: lines of a page of 1600 px that are 35 px high are 14 px there."""
_LEAST_LINE_PX = 12.5
"""Height of a box in the input from which on it is read as well as a taller one. Boxes of smaller
text come out too tall (6 px as 9, 8 px as 10.5), or not at all."""
_WANTED_LINE_PX = 17.0
_MOST_GROWTH = 3.0
_LEAST_GROWTH = 1.2
_UNSEEN_GROWTH = 2.0
_MOST_ENLARGED = 2.0
"""Text as small as that is not read any better from a larger input."""
_SMALL_SHARE = 0.2
"""Share of the length of all lines that may be smaller than what the scale is chosen for."""
_MOST_EDGES_OUTSIDE = 0.27
"""Of 24 pages 23 had at most .23 of their edges outside the lines found, all at least .4 outside
every other line."""
_EDGE_PX, _EDGE_LEVELS, _LEAST_EDGES = 1280, 40, 0.0005
_TALL_PX = 100.0
"""Lines that are taller in the input may fall to pieces there; a coarser pass saw them better."""
_SAME_HEIGHT = 0.6
_MOST_MAP = 2**26
_SHIFT_PX = 0.5
"""Boxes lie up and to the left by so much of the map, at least (.5 to .9 px on 1000 lines of
receipts): they are PaddleOCR's, which takes the middle of a pixel for its corner."""
_PADDLEOCR = SizePolicy()


class Outline(NamedTuple):
    """Where a detector found a line.

    Args:
        points: corners (x, y) in px of the page, float64 [P, 2].
        corners: the smallest rectangle around them, float64 [4, 2], clockwise.
        score: of the detector.
    """

    points: NDArray[np.float64]
    corners: NDArray[np.float64]
    score: float

    @property
    def sides(self) -> tuple[float, float]:
        """The longer and the shorter side of the rectangle in px."""
        first, second = np.linalg.norm(np.diff(self.corners[:3], axis=0), axis=1).tolist()
        return max(first, second), min(first, second)


class Pass(NamedTuple):
    """What was found in a page at one scale.

    Args:
        scale: px of the input for a px of the page.
        outlines: in px of the page.
    """

    scale: float
    outlines: list[Outline]


class Finder:
    """Looks at a page at one scale after another.

    Args:
        page: BGR uint8 [h, w, 3].
        detector: finds the lines.
        apply: runs what may run at once.
        quarter_turns: as `map_of_page`.
    """

    def __init__(self, page: Image, detector: Detector, apply: Apply, quarter_turns: int = 0):
        self._page, self._detector, self._apply = page, detector, apply
        self._turns = quarter_turns
        height, width = page.shape[:2]
        wanted = _PADDLEOCR.input_size(height, width)
        most_of_map = (_MOST_MAP / (height * width)) ** 0.5
        self._paddleocr_scale = min(wanted[0] / height, wanted[1] / width, most_of_map)
        self._most_scale = min(max(self._paddleocr_scale, _MOST_ENLARGED), most_of_map)
        self._edges: NDArray[np.bool_] | None = None

    def coarse_pass(self) -> Pass:
        """Look at the page as a whole, small."""
        return self._look(min(1.0, _COARSE_PX / max(self._page.shape[:2])))

    def outlines(self, first: Pass | None = None) -> list[Outline]:
        """Find the lines of the page.

        Args:
            first: the coarse pass, if it was made already.
        """
        found = first or self.coarse_pass()
        passes = [found]
        while (scale := self._next_scale(passes)) is not None:
            passes.append(self._look(scale))
        kept = passes[0].outlines
        for after in passes[1:]:
            kept = _merged(kept, after)
        return kept

    def _next_scale(self, passes: Sequence[Pass]) -> float | None:
        """Tell at which scale to look again, None where what was found will do."""
        found = passes[-1]
        height = small_height([outline.sides for outline in found.outlines]) * found.scale
        if found.outlines and height < _LEAST_LINE_PX:
            scale, most = found.scale * _WANTED_LINE_PX / height, self._most_scale
            scale = min(scale, found.scale * _MOST_GROWTH)
        elif self._has_more(found.outlines):
            scale, most = found.scale * _UNSEEN_GROWTH, self._paddleocr_scale
            if len(passes) > 1 and not found.outlines:
                scale = most
        else:
            return None
        scale = min(scale, most)
        return scale if scale >= found.scale * _LEAST_GROWTH else None

    def _look(self, scale: float) -> Pass:
        height, width = self._page.shape[:2]
        size = _multiple(height * scale), _multiple(width * scale)
        probability = map_of_page(self._page, size, self._turns, self._detector, self._apply)
        found = find_boxes(probability, (height, width), self._detector.boxes)
        shift = _SHIFT_PX * np.array([width / size[1], height / size[0]])
        most = np.array([width, height])
        return Pass(
            scale,
            [
                _outline(np.minimum(points + shift, most), score)
                for points, score in zip(found.points, found.scores, strict=True)
            ],
        )

    def _has_more(self, outlines: Sequence[Outline]) -> bool:
        """Tell whether much of what has edges, as text has, lies outside the lines found."""
        if self._edges is None:
            self._edges = _edges_of(self._page)
        edges = self._edges
        if edges.mean() < _LEAST_EDGES:
            return False
        ratio = np.array([edges.shape[1], edges.shape[0]]) / self._page.shape[1::-1]
        covered = np.zeros(edges.shape, dtype=np.uint8)
        for outline in outlines:
            cv2.fillPoly(covered, [np.rint(outline.points * ratio).astype(np.int32)], 1)
        outside = np.count_nonzero(edges & (covered == 0))
        return bool(outside > _MOST_EDGES_OUTSIDE * np.count_nonzero(edges))


def small_height(sides: Sequence[tuple[float, float]]) -> float:
    """Return the height that all but a small share of the lines have, counted by their length.

    Args:
        sides: the longer and the shorter side of each line; 0.0 is returned where there is none.
    """
    if not sides:
        return 0.0
    lengths, heights = np.array(sides).T
    order = np.argsort(heights)
    reached = np.cumsum(lengths[order]) >= _SMALL_SHARE * lengths.sum()
    return float(heights[order][np.argmax(reached)])


def _multiple(side: float) -> int:
    return max(round(side / STRIDE_PX), 1) * STRIDE_PX


def _outline(points: NDArray[Any], score: float) -> Outline:
    corners = (
        points if len(points) == 4 else cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32)))
    )
    return Outline(points.astype(np.float64), corners.astype(np.float64), score)


def _edges_of(page: Image) -> NDArray[np.bool_]:
    """Return where a shrunken page has edges, [h, w]."""
    ratio = min(1.0, _EDGE_PX / max(page.shape[:2]))
    size = [max(round(side * ratio), 1) for side in page.shape[1::-1]]
    small = cv2.resize(page, size, interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    levels = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((3, 3), dtype=np.uint8))
    return np.asarray(levels > _EDGE_LEVELS)


def _merged(coarse: Sequence[Outline], fine: Pass) -> list[Outline]:
    """Return the lines of a finer pass, and those of a coarser one that are too tall for it.

    What the finer pass sees as several lines, one above the other, was none.
    """
    kept: list[Outline] = []
    left = fine.outlines
    for tall in coarse:
        height = tall.sides[1]
        if height * fine.scale < _TALL_PX:
            continue
        border = tall.corners.astype(np.float32)
        inside = [
            cv2.pointPolygonTest(border, tuple(outline.corners.mean(axis=0).tolist()), False) >= 0
            for outline in left
        ]
        heights = [outline.sides[1] for outline, is_in in zip(left, inside, strict=True) if is_in]
        if heights and max(heights) < _SAME_HEIGHT * height:
            continue
        left = [outline for outline, is_in in zip(left, inside, strict=True) if not is_in]
        kept.append(tall)
    return [*left, *kept]
