"""Quadrangles grow as the Clipper library lets them grow, to the last pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.detection.boxes import smallest_quads
from runtime.detection.offset import area_and_length, expanded_quads
from runtime.detection.polygons import padded


def random_quads(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Rectangles as contours have them: at least 3 px wide, tilted or not, inside or not."""
    borders = []
    for number in range(count):
        if number % 2:
            border = rng.integers(-3, 60, (6, 1, 2)).astype(np.int32)
        else:
            sides = rng.integers(6, 400, 2) / 2
            centre, angle = rng.uniform(0, 300, 2), rng.choice([0, 30, 45, rng.uniform(0, 90)])
            border = cv2.boxPoints((centre.tolist(), sides.tolist(), float(angle)))
        borders.append(border)
    quads, sides = smallest_quads(borders)
    return quads[sides >= 3]


def test_quads_grow_as_clipper_lets_them() -> None:
    pyclipper = pytest.importorskip("pyclipper")
    rng = np.random.default_rng(0)
    quads = random_quads(rng, 3000)
    areas, lengths = area_and_length(quads)
    distances = areas * rng.choice([0.1, 0.5, 1.4, 1.5, 2.0, 3.0], len(quads)) / lengths
    for quad, distance, outline in zip(
        quads, distances.tolist(), expanded_quads(quads, distances), strict=True
    ):
        offset = pyclipper.PyclipperOffset()
        offset.AddPath(quad, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
        (expected,) = np.array(offset.Execute(distance), dtype=np.int32)
        hull = cv2.convexHull(outline.astype(np.int32)).reshape(-1, 2)
        assert set(map(tuple, hull)) <= set(map(tuple, expected))
        assert cv2.minAreaRect(outline.astype(np.int32)) == cv2.minAreaRect(expected)


def test_a_square_grows_round_corners() -> None:
    square = np.array([[[0, 0], [10, 0], [10, 10], [0, 10]]], dtype=np.float32)
    (outline,) = expanded_quads(square, np.array([4.0]))
    assert outline.min() == -4 and outline.max() == 14
    assert [-4, -4] not in outline.tolist()
    assert [-3, -3] in outline.tolist()  # 2.83 px on the diagonal
    assert np.array_equal(outline, expanded_quads(square + 0.9, np.array([4.0]))[0])


def test_no_quads_grow_into_none() -> None:
    assert len(expanded_quads(np.zeros((0, 4, 2), np.float32), np.zeros(0))) == 0


def test_areas_and_perimeters_are_shapelys() -> None:
    geometry = pytest.importorskip("shapely.geometry")
    polygons = np.random.default_rng(0).uniform(0, 100, (50, 7, 2)).astype(np.float32)
    areas, lengths = area_and_length(polygons)
    shapes = [geometry.Polygon(polygon) for polygon in polygons]
    assert areas.tolist() == [shape.area for shape in shapes]
    assert lengths.tolist() == [shape.length for shape in shapes]


def test_repeated_points_change_neither_area_nor_perimeter() -> None:
    rng = np.random.default_rng(0)
    outlines = [rng.integers(0, 2000, (count, 2)).astype(np.int32) for count in (4, 9, 17)]
    together = area_and_length(padded(outlines))
    alone = [area_and_length(outline) for outline in outlines]
    assert np.array_equal(np.array(together).T, np.array(alone))
