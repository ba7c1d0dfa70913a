"""Lines come in the order of reading, however the page lies and whatever order they come in."""

from __future__ import annotations

import itertools
import math
import random
import time

import pytest

from runtime.pages.order import in_order
from runtime.pages.result import PageLine, PageText
from tests.runtime.pages.layouts import LAYOUTS, line_of, page_of, receipt, turned

ANGLES = (0.0, 4.0, -11.0, 15.0, 90.0, -90.0, 180.0, 83.0)


def texts_of(lines: tuple[PageLine, ...]) -> list[int]:
    return [int(line.text) for line in lines]


@pytest.mark.parametrize("angle", ANGLES, ids=lambda angle: f"turned by {angle:g}")
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_in_its_order(name: str, angle: float) -> None:
    layout, num_columns = LAYOUTS[name]
    boxes = layout()
    lines, columns = in_order(page_of(boxes, angle), angle)
    assert texts_of(lines) == list(range(len(boxes)))
    assert len(columns) == num_columns
    assert [place for column in columns for place in column.lines] == list(range(len(boxes)))
    for number, column in enumerate(columns):
        assert {lines[place].column for place in column.lines} == {number}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_order_does_not_depend_on_the_order_of_input(name: str) -> None:
    layout, _ = LAYOUTS[name]
    results = {in_order(page_of(layout(), 3.0, seed), 3.0) for seed in range(3)}
    assert len(results) == 1


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_angle_that_is_a_little_wrong_is_put_right(name: str) -> None:
    layout, num_columns = LAYOUTS[name]
    lines, columns = in_order(page_of(layout(), 8.0), 5.0)
    assert texts_of(lines) == list(range(len(lines))) and len(columns) == num_columns


def test_item_and_price_are_one_row() -> None:
    lines, columns = in_order(page_of(receipt(), 5.0), 5.0)
    items = [line.row for line in lines[3:23]]
    assert items == [3 + number // 2 for number in range(20)]
    assert PageText(lines, columns).text.splitlines()[3] == "3 4"


def test_rows_follow_a_curved_page() -> None:
    boxes = [
        (left, left + 80.0, 40.0 * row + 25 * math.sin(left / 300))
        for row in range(8)
        for left in range(0, 900, 100)
    ]
    lines, _ = in_order(page_of(boxes), 0.0)
    assert texts_of(lines) == list(range(len(boxes)))


@pytest.mark.parametrize("angle", (0.0, 6.0, 90.0), ids=lambda angle: f"turned by {angle:g}")
def test_what_runs_along_a_margin_comes_last(angle: float) -> None:
    boxes = LAYOUTS["two pages"][0]()
    number = len(boxes)
    along = [(10.0, 100.0), (1400.0, 300.0)]
    lines = page_of(boxes, angle)
    for place, (left, top) in enumerate(along):
        corners = ((left, top), (left + 22, top), (left + 22, top + 600), (left, top + 600))
        points = turned(corners, -angle)
        lines.insert(5, PageLine(text=str(number + place), confidence=1.0, points=points))
    ordered, columns = in_order(lines, angle)
    assert texts_of(ordered) == list(range(number + 2))
    assert columns[-1].lines == (number, number + 1)


def test_columns_lean_as_the_page_does() -> None:
    layout, _ = LAYOUTS["two pages"]
    _, columns = in_order(page_of(layout(), 10.0), 10.0)
    upright = turned(columns[0].points, 10.0)
    for (x, y), (expected_x, expected_y) in zip(
        upright, ((80, 60), (680, 60), (680, 950), (80, 950)), strict=True
    ):
        assert x == pytest.approx(expected_x, abs=8) and y == pytest.approx(expected_y, abs=8)


def test_polygons_may_go_round_either_way_and_begin_anywhere() -> None:
    boxes = LAYOUTS["a newspaper"][0]()
    rng = random.Random(2)
    lines = []
    for number, box in enumerate(boxes):
        points = list(line_of(number, box).points)
        points = points[::-1] if rng.random() < 0.5 else points
        begin = rng.randrange(4)
        points = points[begin:] + points[:begin]
        lines.append(PageLine(text=str(number), confidence=1.0, points=tuple(points)))
    rng.shuffle(lines)
    ordered, _ = in_order(lines, 0.0)
    assert texts_of(ordered) == list(range(len(boxes)))


def test_a_page_without_lines_has_no_columns() -> None:
    assert in_order([], 12.0) == ((), ())


def test_a_line_alone_is_a_column() -> None:
    lines, columns = in_order([line_of(0, (10, 90, 5))], 0.0)
    assert len(lines) == 1 and columns[0].lines == (0,)


ODD = {
    "no corners": (),
    "a point": ((5.0, 5.0),),
    "the same point four times": ((5.0, 5.0),) * 4,
    "no numbers": ((math.nan, 1.0), (math.inf, 2.0), (3.0, -math.inf), (4.0, 5.0)),
    "a bow": ((0.0, 0.0), (90.0, 20.0), (90.0, 0.0), (0.0, 20.0)),
    "very far": ((1e30, 0.0), (2e30, 0.0), (2e30, 9.0), (1e30, 9.0)),
    "upright": ((0.0, 0.0), (20.0, 0.0), (20.0, 900.0), (0.0, 900.0)),
}


@pytest.mark.parametrize("number", (1, 2, 40))
@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("error")
def test_odd_outlines_are_kept(name: str, number: int) -> None:
    odd = [PageLine(text="0", confidence=0.0, points=ODD[name])] * number
    usual = page_of(LAYOUTS["two pages"][0]())
    for lines in (odd, odd + usual):
        ordered, columns = in_order(lines, 0.0)
        assert len(ordered) == len(lines)
        assert sorted(place for column in columns for place in column.lines) == list(
            range(len(lines))
        )
        corners = itertools.chain.from_iterable(column.points for column in columns)
        assert all(map(math.isfinite, itertools.chain.from_iterable(corners)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("angle", (math.nan, math.inf, 1e9), ids=str)
def test_an_angle_may_be_no_number(angle: float) -> None:
    lines, _ = in_order(page_of(receipt()), angle)
    assert len(lines) == len(receipt())


@pytest.mark.parametrize("kind", ("random", "one row", "one column", "one place"))
def test_ten_thousand_lines_take_seconds(kind: str) -> None:
    rng = random.Random(4)
    boxes = []
    for number in range(10_000):
        left = {"random": rng.uniform(0, 9000), "one row": 50.0 * number}.get(kind, 0.0)
        top = {"random": rng.uniform(0, 9000), "one column": 25.0 * number}.get(kind, 0.0)
        boxes.append((left, left + rng.uniform(10, 400), top))
    begin = time.process_time()
    lines, _ = in_order(page_of(boxes), 0.0)
    assert len(lines) == 10_000
    assert time.process_time() - begin < 10
