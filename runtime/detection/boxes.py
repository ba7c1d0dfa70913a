"""From a map of probabilities to boxes around text: the last step of Differentiable Binarization.

Source: Liao et al. 2020 (arXiv:1911.08947), section 3.4; PaddleOCR `db_postprocess`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.detection.contours import Contour, contours_of
from runtime.detection.offset import area_and_length, expanded_quads
from runtime.detection.polygons import expanded_polygon, padded, simplified
from runtime.detection.scoring import Probability, means_inside
from runtime.fields import Field, check_fields, choice, number, whole

ScoreMode = Literal["fast", "slow"]
BoxType = Literal["quad", "poly"]
Quads = NDArray[np.float32]

MOST_CANDIDATES = 100_000
_SMALLEST_SIDE_PX = 3
_SMALLEST_EXPANDED_PX = 5
OPTION_FIELDS: dict[str, Field] = {
    "thresh": number(0, 1),
    "box_thresh": number(0, 1),
    "max_candidates": whole(1, MOST_CANDIDATES),
    "unclip_ratio": number(0, 100),
    "use_dilation": choice(False, True),
    "score_mode": choice(*get_args(ScoreMode)),
    "box_type": choice(*get_args(BoxType)),
}


@dataclass(frozen=True)
class BoxOptions:
    """How boxes are made of a map, by PaddleOCR's names and with its defaults.

    Args:
        thresh: a pixel above it is text.
        box_thresh: a box whose mean probability is below it is dropped.
        max_candidates: how many regions of a map are looked at, in OpenCV's order: from below.
        unclip_ratio: how far a box is moved outwards, times its area over its perimeter.
        use_dilation: grow regions by a pixel to the right and below.
        score_mode: mean probability inside the box (`fast`) or inside the region (`slow`);
            polygons are always scored by themselves.
        box_type: the smallest rotated rectangle (`quad`), or a polygon that follows curved text
            (`poly`), which needs the package pyclipper.

    Raises:
        ArtifactError: if an option is out of range.
    """

    thresh: float = 0.3
    box_thresh: float = 0.7
    max_candidates: int = 1000
    unclip_ratio: float = 2.0
    use_dilation: bool = False
    score_mode: ScoreMode = "fast"
    box_type: BoxType = "quad"

    def __post_init__(self) -> None:
        remedy = "give it as PaddleOCR's PostProcess section does"
        check_fields(vars(self), OPTION_FIELDS, "impossible box options", remedy)


@dataclass(frozen=True)
class Boxes:
    """The boxes of one image, in the order of PaddleOCR: that of OpenCV's contours.

    Args:
        points: corners (x, y) in px of the image; int32 [4, 2] each, clockwise from the upper
            left, or float64 [P, 2] of polygons.
        scores: mean probability of each.
    """

    points: list[NDArray[Any]]
    scores: list[float]


def find_boxes(probability: NDArray[Any], size: tuple[float, float], options: BoxOptions) -> Boxes:
    """Find the boxes of text in a map.

    Time and memory are bounded by the pixels of the map whatever it holds: see `contours_of` and
    `means_inside`. What is not a number is no text, nor does it make a score.

    Args:
        probability: of text, float [H, W].
        size: height and width in px of the image that the boxes are for; they may be fractions.
        options: of the method.

    Returns:
        The boxes, clipped to the image, whose right and lower border count as inside.
    """
    probability = np.asarray(probability, dtype=np.float32)
    if probability.size == 0:
        return Boxes([], [])
    bitmap = (probability > np.float32(options.thresh)).view(np.uint8)
    if options.use_dilation:
        bitmap = cv2.dilate(bitmap, np.ones((2, 2), dtype=np.uint8)).astype(np.uint8, copy=False)
    contours = contours_of(bitmap, options.max_candidates)
    find = _polygons if options.box_type == "poly" else _quads
    return find(probability, contours, size, options)


def _quads(
    probability: Probability,
    contours: Sequence[Contour],
    size: tuple[float, float],
    options: BoxOptions,
) -> Boxes:
    """Return the expanded rectangles around contours."""
    # A border of one or two points has no width.
    kept = [contour for contour in contours if len(contour) > 2]
    quads, sides = smallest_quads(kept)
    is_wide = sides >= _SMALLEST_SIDE_PX
    quads = quads[is_wide]
    scored: Sequence[NDArray[Any]] | Quads = quads
    if options.score_mode == "slow":
        scored = [kept[index].reshape(-1, 2) for index in np.flatnonzero(is_wide)]
    scores = list(means_inside(probability, scored))
    likely = [index for index, score in enumerate(scores) if _is_kept(score, options)]
    quads = quads[likely]
    areas, lengths = area_and_length(quads)
    outlines = expanded_quads(quads, areas * options.unclip_ratio / lengths)
    expanded, sides = smallest_quads(list(outlines.astype(np.int32)))
    is_large = sides >= _SMALLEST_EXPANDED_PX
    points = _scaled(expanded[is_large], probability, size).astype(np.int32)
    return Boxes(list(points), [scores[index] for index in np.array(likely, int)[is_large]])


def _polygons(
    probability: Probability,
    contours: Sequence[Contour],
    size: tuple[float, float],
    options: BoxOptions,
) -> Boxes:
    """Return the expanded outlines of contours that keep four corners or more."""
    outlines = [outline for outline in map(simplified, contours) if len(outline) >= 4]
    scored = list(zip(outlines, means_inside(probability, outlines), strict=False))
    scored = [(outline, score) for outline, score in scored if _is_kept(score, options)]
    if not scored:
        return Boxes([], [])
    areas, lengths = area_and_length(padded([outline for outline, _ in scored]))
    distances = (areas * options.unclip_ratio / lengths).tolist()
    expanded = [
        (polygon, score)
        for (outline, score), distance in zip(scored, distances, strict=True)
        if (polygon := expanded_polygon(outline, distance)) is not None
    ]
    _, sides = smallest_quads([polygon for polygon, _ in expanded])
    large = [expanded[index] for index in np.flatnonzero(sides >= _SMALLEST_EXPANDED_PX)]
    return Boxes(
        [_scaled(polygon.astype(np.float64), probability, size) for polygon, _ in large],
        [score for _, score in large],
    )


def _is_kept(score: float, options: BoxOptions) -> bool:
    return options.box_thresh <= score < np.inf


def smallest_quads(outlines: Sequence[NDArray[np.int32]]) -> tuple[Quads, NDArray[np.float64]]:
    """Return the smallest rotated rectangles around points, and their shorter sides in px.

    Args:
        outlines: (x, y) in px, int32 [P, 2] or [P, 1, 2] each.

    Returns:
        Corners clockwise from the upper left, float32 [B, 4, 2], and float64 [B].
    """
    rectangles = [cv2.minAreaRect(outline) for outline in outlines]
    sides = np.array([min(extent) for _, extent, _ in rectangles], dtype=np.float64)
    corners = np.array([cv2.boxPoints(rectangle) for rectangle in rectangles], dtype=np.float32)
    corners = corners.reshape(-1, 4, 2)
    order = np.argsort(corners[..., 0], axis=1, kind="stable")
    corners = np.take_along_axis(corners, order[..., np.newaxis], axis=1)
    pairs = list(_upper_first(corners))
    (upper_left, lower_left), (upper_right, lower_right) = pairs
    return np.stack([upper_left, upper_right, lower_right, lower_left], axis=1), sides


def _upper_first(corners: Quads) -> Iterator[tuple[Quads, Quads]]:
    """Yield the left and the right pair of corners sorted by x, each with the upper one first."""
    for first, second in ((0, 1), (2, 3)):
        a, b = corners[:, first], corners[:, second]
        is_first_upper = (b[:, 1] > a[:, 1])[:, np.newaxis]
        yield np.where(is_first_upper, a, b), np.where(is_first_upper, b, a)


def _scaled(
    points: NDArray[Any], probability: Probability, size: tuple[float, float]
) -> NDArray[np.float64]:
    """Scale corners (x, y) [..., 2] from the map to the image, rounded and clipped to it."""
    height, width = probability.shape
    # The quotient has the points' own precision, the product that of the size.
    quotient = points / np.array([width, height], dtype=points.dtype)
    wanted = np.array([size[1], size[0]], dtype=np.float64)
    return np.clip(np.round(quotient.astype(np.float64) * wanted), 0, wanted)
