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
from training.detection.page.drawing import EXTRA, FOUND, MISSED
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
    "/pages/a.png": [TEXTS[1], rectangle(10, 80, 200, 50), rectangle(300, 20, 60, 20)],
    "/pages/<b>.png": [TEXTS[0], TEXTS[1], TEXTS[2]],
    "/pages/c.png": list(TEXTS),
}


def batch(names: tuple[str, ...]) -> Any:
    polys, tags = np.empty(len(names), object), np.empty(len(names), object)
    for place in range(len(names)):
        polys[place], tags[place] = TEXTS, np.zeros(len(TEXTS), bool)
    arrays = {
        "image": np.zeros((len(names), 3, SIZE[0] // 2, SIZE[1] // 2), np.float32),
        "shape": np.array([[*SIZE, 0.5, 0.5]] * len(names)),
        "polys": polys,
        "ignore_tags": tags,
    }
    return SimpleNamespace(names=names, arrays=arrays)


def page_of(network: str) -> EvaluationPage:
    """Return the page after two batches."""

    def post_process(outputs: tuple[str, ...], shapes: Any) -> Any:
        found = [Boxes(np.stack(FOUND_ON[name]), np.ones(len(FOUND_ON[name]))) for name in outputs]
        return {network: found, "Other": []} if network else found

    page = EvaluationPage(SimpleNamespace(post_process=post_process), network)  # type: ignore[arg-type]
    for names in (Pages.names[:2], Pages.names[2:]):
        page.take(names, batch(names))
    return page


def html_of(page: EvaluationPage, **limit: int) -> str:
    figures = {"network": {"hmean": 0.75}}
    return page.html({"config": "c.yml"}, figures, Pages(), range(3), **limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("network", ["", "Student"])
def test_misses_are_counted_by_reason_and_height(network: str) -> None:
    text = html_of(page_of(network))
    assert "<title>8 of 12 texts found, 2 boxes match none</title>" in text
    cells = re.findall(r"<td class='t'>([^<]*)</td>", text)
    for reason, number, share in ((NOT_SEEN, "2", "16.7%"), (RUN_TOGETHER, "2", "16.7%")):
        place = cells.index(reason)
        assert cells[place + 1 : place + 3] == [number, share]
    # Texts of 20 px on pages that the network sees at half their size.
    place = cells.index("10 to 14")
    assert cells[place + 1 : place + 3] == ["12", "66.7%"]
    assert cells[cells.index("folder") + 1] == "/pages" and "0.7500" in cells


def test_the_page_with_most_mistakes_comes_first_and_one_without_stays_away() -> None:
    text = html_of(page_of(""))
    assert text.index(">a.png<") < text.index("&lt;b&gt;.png") and "c.png" not in text
    assert f"3 of 4 texts missed (1 {NOT_SEEN}, 2 {RUN_TOGETHER}), 2 of 3 boxes match none" in text
    assert f"1 of 4 texts missed (1 {NOT_SEEN}), 0 of 3 boxes match none" in text
    assert "http" not in text  # nothing is loaded from anywhere
    assert "and 1 more</p>" in html_of(page_of(""), most=10)


def test_what_was_found_missed_and_no_text_has_a_colour() -> None:
    data = re.findall(r"data:image/jpeg;base64,([^']+)", html_of(page_of("")))
    assert len(data) == 2
    content = np.frombuffer(base64.b64decode(data[0]), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert picture.shape == (*SIZE, 3)
    # The middle of each rectangle's left side.
    for x, y, colour in ((10, 30, MISSED), (10, 60, FOUND), (300, 30, EXTRA), (10, 90, MISSED)):
        near = picture[y - 2 : y + 3, x - 1 : x + 2].reshape(-1, 3).astype(int)
        distances = np.abs(near - np.array(colour)).sum(axis=1)
        others = [other for other in (MISSED, FOUND, EXTRA) if other != colour]
        closest = distances.argmin()
        assert all(
            distances[closest] < np.abs(near[closest] - np.array(other)).sum() for other in others
        )
    assert picture[150, 250].min() > 245  # nothing is drawn there


def test_pages_without_a_mistake_leave_nothing_to_show() -> None:
    page = page_of("")
    page._pages = page._pages[2:]
    text = html_of(page)
    assert "4 of 4 texts found, 0 boxes match none" in text
    assert "None was." in text and "<img" not in text
