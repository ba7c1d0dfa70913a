"""The page of a detector's evaluation: what is counted, drawn, and in which order."""

from __future__ import annotations

import base64
import re
from types import SimpleNamespace
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from runtime.detection.boxes import Boxes
from training.data.sample import Sample
from training.detection.page import page as module
from training.detection.page.drawing import EXTRA, MATCHED
from training.detection.page.misses import NOT_SEEN, RUN_TOGETHER
from training.detection.page.page import EvaluationPage

SIZE = (200, 400)


def rectangle(x: float, y: float, width: float, height: float) -> np.ndarray:
    points = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    return np.array(points, dtype=np.float32)


TEXTS = np.stack([rectangle(10, 20 + 30 * row, 200, 20) for row in range(4)])


class Pages:
    """A source of three white pages."""

    names: ClassVar = ("/pages/a.png", "/pages/<b>.png", "/pages/c.png")

    def read(self, index: int, epoch: int) -> Sample:
        return Sample(np.full((*SIZE, 3), 255, np.uint8), "", self.names[index])


FOUND_ON = {
    # The first is missed, two are in one box, and a box is beside them all.
    "/pages/a.png": [TEXTS[1], rectangle(10, 80, 200, 54), rectangle(300, 20, 60, 20)],
    "/pages/<b>.png": [TEXTS[0], TEXTS[1], TEXTS[2]],
    "/pages/c.png": list(TEXTS),
}


def batch(names: tuple[str, ...]) -> Any:
    polys, tags = np.empty(len(names), object), np.empty(len(names), object)
    for place in range(len(names)):
        polys[place], tags[place] = TEXTS, np.zeros(len(TEXTS), bool)
    arrays = {
        "image": np.zeros((len(names), 3, SIZE[0] // 2, SIZE[1] // 2), np.float32),
        "shape": np.array([[*SIZE, 0.5, 0.25]] * len(names)),
        "polys": polys,
        "ignore_tags": tags,
    }
    return SimpleNamespace(names=names, arrays=arrays)


def page_of(network: str = "", names: tuple[str, ...] = Pages.names) -> EvaluationPage:
    """Return the page after batches of one."""
    page = EvaluationPage(network)
    for name in names:
        boxes = [Boxes(np.stack(FOUND_ON[name]), np.ones(len(FOUND_ON[name])))]
        page.take({network: boxes, "Other": []} if network else boxes, batch((name,)))
    return page


def html_of(page: EvaluationPage, is_short: bool = False) -> str:
    figures = {"network": {"hmean": 0.75}}
    return page.html({"config": "c.yml"}, figures, Pages(), range(3), is_short)  # type: ignore[arg-type]


@pytest.mark.parametrize("network", ["", "Student"])
def test_misses_are_counted_by_reason_and_height(network: str) -> None:
    text = html_of(page_of(network))
    assert "<title>8 of 12 texts found, 2 boxes match none</title>" in text
    cells = re.findall(r"<td class='t'>([^<]*)</td>", text)
    for reason, number, share in ((NOT_SEEN, "2", "16.7%"), (RUN_TOGETHER, "2", "16.7%")):
        place = cells.index(reason)
        assert cells[place + 1 : place + 3] == [number, share]
    # Texts of 200 x 20 px on pages that the network sees at half their height.
    place = cells.index("10 to 14")
    assert cells[place + 1 : place + 3] == ["12", "66.7%"]
    assert cells[cells.index("folder") + 1] == "/pages" and "0.7500" in cells


def test_the_page_with_most_mistakes_comes_first_and_one_without_stays_away() -> None:
    text = html_of(page_of())
    assert text.index(">a.png<") < text.index("&lt;b&gt;.png") and "c.png" not in text
    assert f"3 of 4 texts missed (1 {NOT_SEEN}, 2 {RUN_TOGETHER}); 2 of 3 boxes match none" in text
    assert f"1 of 4 texts missed (1 {NOT_SEEN}); 0 of 3 boxes match none" in text
    assert "http" not in text  # nothing is loaded from anywhere


def test_a_short_page_shows_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAGES_IF_SHORT", 1)
    assert "more</p>" not in html_of(page_of())
    short = html_of(page_of(), is_short=True)
    assert "and 1 more</p>" in short and short.count("<img") == 1


def test_a_page_that_is_listed_twice_is_shown_twice() -> None:
    page = page_of(names=(*Pages.names, Pages.names[0]))
    text = html_of(page)
    assert text.count("<img") == 3 and text.count(">a.png<") == 2


def test_texts_are_areas_and_boxes_are_edges() -> None:
    data = re.findall(r"data:image/jpeg;base64,([^']+)", html_of(page_of()))
    assert len(data) == 2
    content = np.frombuffer(base64.b64decode(data[0]), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR).astype(int)
    assert picture.shape == (*SIZE, 3)

    def is_tinted(x: int, y: int) -> bool:
        blue, green, red = picture[y, x]
        return bool(green < 200 and blue > 200 and red > 200)

    assert is_tinted(110, 30) and is_tinted(110, 90) and is_tinted(110, 120)  # missed
    assert picture[60, 110].min() > 240  # found: its area stays as it is
    for x, y, style in ((10, 60, MATCHED), (300, 30, EXTRA), (10, 107, EXTRA)):
        near = picture[y - 2 : y + 3, x - 1 : x + 2].reshape(-1, 3)
        darkest = near[near.sum(axis=1).argmin()]
        blue_over_red = style.colour[0] > style.colour[2]
        assert (darkest[0] > darkest[2] + 40) == blue_over_red, style
        assert (darkest[2] > darkest[0] + 40) != blue_over_red, style
    assert picture[170, 250].min() > 245  # nothing is drawn there


def test_texts_that_are_not_judged_are_told() -> None:
    crossing = np.array([[0, 0], [100, 20], [100, 0], [0, 20]], np.float32)
    given = batch(("/pages/a.png",))
    given.arrays["polys"][0] = np.stack([crossing, TEXTS[1], TEXTS[2], TEXTS[3]])
    given.arrays["ignore_tags"][0] = np.array([False, False, False, True])
    page = EvaluationPage()
    page.take([Boxes(np.stack([TEXTS[1], TEXTS[3]]), np.ones(2))], given)
    told = f"1 of 2 texts missed (1 {NOT_SEEN}); 0 of 1 boxes match none; 2 texts are not judged"
    assert told in html_of(page)


def test_pages_without_a_mistake_leave_nothing_to_show() -> None:
    text = html_of(page_of(names=Pages.names[2:]))
    assert "4 of 4 texts found, 0 boxes match none" in text
    assert "None was." in text and "<img" not in text


def test_without_a_text_that_is_judged_there_are_no_shares() -> None:
    given = batch(("/pages/a.png",))
    given.arrays["ignore_tags"][0][:] = True
    page = EvaluationPage()
    page.take([Boxes(np.zeros((0, 4, 2), np.float32), np.zeros(0))], given)
    text = html_of(page)
    assert "No text is judged." in text and "%" not in re.sub(
        "<style>.*?</style>", "", text, flags=re.S
    )


@pytest.mark.parametrize(
    ("corners", "height"),
    [
        (rectangle(0, 0, 200, 20), 20),
        (rectangle(5, 5, 6, 24), 6),
        (rectangle(0, 0, 20, 20), 20),
        (np.array([[0, 0], [9, 0], [18, 0], [27, 0]], np.float32), 0),
    ],
)
def test_the_height_is_the_shorter_side(corners: np.ndarray, height: float) -> None:
    assert module._thickness(corners) == pytest.approx(height, abs=0.01)


def test_curved_text_is_as_high_as_its_letters() -> None:
    angles = np.linspace(0, np.pi, 24)
    outer = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    arc = np.concatenate([150 * outer, 120 * outer[::-1]])
    assert module._thickness(arc) == pytest.approx(30, rel=0.1)
