"""When two readings of a page are the same, and what is kept of ignored text."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import numpy as np
import pytest

from export.detection.readings import FoundBoxes, PageReading, num_matches
from export.detection.samples import _documents, rendered_pages
from runtime.detection.boxes import BoxOptions


def box(x: float, y: float, width: float = 40, height: float = 10) -> list[tuple[float, float]]:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


PAGE = PageReading.of([box(10, 10), box(10, 40), box(80, 40)])


@pytest.mark.parametrize(
    ("boxes", "is_equal"),
    [
        ([box(10, 10), box(10, 40), box(80, 40)], True),
        ([box(80, 41), box(12, 10), box(10, 40)], True),
        ([box(10, 10), box(10, 40)], False),
        ([box(10, 10), box(10, 40), box(80, 40), box(10, 90)], False),
        ([box(10, 10), box(10, 40, width=110)], False),
        ([box(10, 10, 20), box(30, 10, 20), box(10, 40), box(80, 40)], False),
        ([box(10, 16), box(10, 40), box(80, 40)], False),
        ([box(10, 10), box(10, 10), box(80, 40)], False),
    ],
    ids=["same", "moved", "lost", "added", "merged", "divided", "far", "twice"],
)
def test_every_box_has_one_of_its_own(
    boxes: list[list[tuple[float, float]]], is_equal: bool
) -> None:
    other = PageReading.of(boxes)
    assert (other == PAGE) is is_equal and (other == PAGE) is is_equal


def test_pages_without_text_are_equal_and_no_other_thing_is() -> None:
    assert PageReading(()) == PageReading(()) != PAGE
    assert PAGE != "3 boxes" and repr(PAGE) == "3 boxes" and repr(PageReading(())) == "0 boxes"
    json.dumps(asdict(PAGE))


def test_what_labels_ignore_need_not_be_found_and_may_be() -> None:
    labels = PageReading.of([box(10, 10), box(10, 40), box(80, 40)], [False, True, False])
    assert repr(labels) == "2 boxes"
    assert PageReading.of([box(10, 10), box(80, 40)]) == labels
    assert PageReading.of([box(10, 10), box(12, 40), box(80, 40)]) == labels
    assert PageReading.of([box(10, 10), box(12, 40)]) != labels
    assert PageReading.of([box(10, 10), box(80, 40), box(10, 90)]) != labels


def test_rotated_and_curved_boxes_overlap_by_their_area() -> None:
    diamond = PageReading.of([[(50, 10), (90, 50), (50, 90), (10, 50)]])
    square = PageReading.of([[(0, 0), (100, 0), (100, 100), (0, 100)]])
    assert diamond.polygons != square.polygons and diamond != square  # a third of it
    bent = [(0, 0), (50, 30), (100, 0), (100, 20), (50, 50), (0, 20)]
    straight = [(0, 0), (100, 0), (100, 20), (0, 20)]
    moved = [(x + 2.0, y + 1.0) for x, y in bent]
    reading = PageReading.of([bent])
    assert num_matches(reading.polygons, PageReading.of([moved]).polygons) == 1
    assert num_matches(reading.polygons, PageReading.of([straight]).polygons) == 0


def test_boxes_are_found_when_asked_for() -> None:
    maps = np.zeros((2, 64, 64), np.float32)
    maps[1, 20:30, 10:50] = 0.9
    found = FoundBoxes(maps, BoxOptions())
    assert len(found) == 2 and list(map(repr, found)) == ["0 boxes", "1 box"]
    assert list(map(repr, found[1:])) == ["1 box"]
    maps[0] = maps[1]
    assert found[0] == found[1]


def test_pages_are_rendered_where_nothing_can_render_documents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _documents.cache_clear()
    monkeypatch.setitem(sys.modules, "training.data.synthetic.pages.dataset", None)
    images, what = rendered_pages()
    assert what == "rows of words" and len(images) >= 4
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in images)
    again, _ = rendered_pages()
    np.testing.assert_array_equal(images[0], again[0])
    assert (images[0].min(axis=2) < 120).mean() > 0.01, "there is ink"
