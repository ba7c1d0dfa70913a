"""Boxes hold the ink of their texts, tightly, on the sheet and in the image."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.synthetic.pages.camera import View, choose_view, seen_boxes
from training.data.synthetic.pages.faces import Typefaces
from training.data.synthetic.pages.kinds import KINDS
from training.data.synthetic.pages.render import render_page, set_sheet
from training.data.synthetic.pages.sheet import TextBox

SIDE = 600


@pytest.fixture(scope="module")
def faces() -> Typefaces:
    return Typefaces()


def filled(boxes: list[TextBox], shape: tuple[int, int], grow: int = 0) -> NDArray[np.uint8]:
    mask = np.zeros(shape, np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.rint(box.polygon - 0.5).astype(np.int32)], 1)
    return cv2.dilate(mask, np.ones((2 * grow + 1,) * 2, np.uint8)) if grow else mask


def is_simple(polygon: NDArray[np.float64]) -> bool:
    """Whether no two edges of a polygon cross."""

    def side(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> float:
        return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    edges = list(zip(polygon, np.roll(polygon, -1, axis=0), strict=True))
    for first in range(len(edges)):
        for second in range(first + 2, len(edges) - (first == 0)):
            (a, b), (c, d) = edges[first], edges[second]
            if side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0:
                return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_every_text_is_in_a_box_and_every_box_is_tight(faces: Typefaces, kind: str) -> None:
    for seed in range(3):
        setter = set_sheet(np.random.default_rng(seed), faces, KINDS[kind], SIDE, 0.5)
        sheet = setter.sheet
        assert sheet.boxes
        inside = filled(sheet.boxes, sheet.text.shape, grow=1)
        assert not (sheet.text > 0)[inside == 0].any()
        for box in sheet.boxes:
            alone = filled([box], sheet.text.shape, grow=1)
            rows, columns = np.nonzero((sheet.text > 0) & (alone > 0))
            assert rows.size, box.text
            corners = box.polygon
            is_level = np.ptp(box.top[:, 1]) == 0
            if is_level:
                margin = 3 + 0.12 * (corners[:, 1].max() - corners[:, 1].min())
                assert columns.min() - corners[:, 0].min() <= margin
                assert corners[:, 0].max() - columns.max() <= margin + 1


@pytest.mark.parametrize("seed", range(12))
def test_boxes_move_with_the_ink(faces: Typefaces, seed: int) -> None:
    rng = np.random.default_rng(seed)
    setter = set_sheet(rng, faces, KINDS["prose" if seed % 2 else "receipt"], SIDE, 0.5)
    sheet = setter.sheet
    view = choose_view(sheet.width, sheet.height, rng, 1.0, is_photo=True)
    boxes = seen_boxes(view, sheet.boxes, 0.0)
    seen = view.image(sheet.text, cv2.BORDER_CONSTANT)
    inside = filled(boxes, seen.shape, grow=1)
    ink = seen > 60
    assert ink.sum() > 500
    assert (ink & (inside == 0)).sum() <= 0.002 * ink.sum()
    covered = filled(sheet.boxes, sheet.text.shape).sum() / sheet.text.size
    assert 0 < covered < 1
    for box in boxes:
        polygon = box.polygon
        assert polygon.min() >= 0
        assert (polygon <= view.size).all()
        assert is_simple(polygon)
        assert cv2.contourArea(polygon.astype(np.float32)) > 1


def test_forward_and_backward_agree() -> None:
    matrix = cv2.getPerspectiveTransform(
        np.array([(0, 0), (300, 0), (300, 400), (0, 400)], np.float32),
        np.array([(30, 10), (310, 40), (290, 420), (5, 380)], np.float32),
    )
    view = View(matrix, (320, 430), ((9.0, 0.6, 0.4), (5.0, 0.7, 2.0)), (300, 400))
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(30, 270), rng.integers(30, 370)
        sheet = np.zeros((400, 300), np.uint8)
        cv2.circle(sheet, (int(x), int(y)), 4, 255, -1)
        rows, columns = np.nonzero(view.image(sheet, cv2.BORDER_CONSTANT) > 100)
        (place,) = view.points(np.array([(x + 0.5, y + 0.5)]))
        found = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
        assert np.abs(found - place).max() < 0.4


def test_plain_pages_are_black_on_white_and_hold_nothing_but_text(faces: Typefaces) -> None:
    kinds = {"typescript": KINDS["typescript"]}  # no pictures, hardly any rules
    for seed in range(4):
        page = render_page(np.random.default_rng(seed), faces, kinds, SIDE, 0.0)
        assert all(box.is_readable for box in page.boxes if np.ptp(box.polygon[:, 1]) > 7)
        inside = filled(list(page.boxes), page.image.shape[:2], grow=1)
        outside = page.image[inside == 0]
        assert (outside == 255).all(axis=1).mean() > 0.995
        assert page.image[inside == 1].min() < 128  # of thin letters nothing is quite black


def test_cut_texts_are_not_learnt_from() -> None:
    edges = np.array([[(10.0, 5.0), (110.0, 5.0)], [(10.0, 25.0), (110.0, 25.0)]])
    box = TextBox("cut", edges[0], edges[1])
    shift = np.eye(3)
    shift[0, 2] = -60
    straight = ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0))
    (seen,) = seen_boxes(View(shift, (200, 100), straight, (200, 100)), [box], 6.0)
    assert not seen.is_readable
    assert seen.polygon[:, 0].min() == 0
    shift[0, 2] = -120
    assert not seen_boxes(View(shift, (200, 100), straight, (200, 100)), [box], 6.0)
    (whole,) = seen_boxes(View(np.eye(3), (200, 100), straight, (200, 100)), [box], 6.0)
    assert whole.is_readable
    assert np.array_equal(whole.polygon, box.polygon)
    (small,) = seen_boxes(View(np.eye(3), (200, 100), straight, (200, 100)), [box], 40.0)
    assert not small.is_readable
